package pgoutput_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pglogrepl"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
)

func TestFrameParse(t *testing.T) {
	const head = "\x00\x00\x00\x02\x01\x51\x30\x10" + "\x00\x00\x00\x02\x01\x51\x30\x11" + "\x00\x00\x00\x00\x00\x00\x00\x05"
	const alive = "\x00\x00\x00\x02\x01\x51\x30\x10" + "\x00\x00\x00\x00\x00\x00\x00\x05"
	data := pgoutput.XLogData{Start: 0x2_0151_3010, End: 0x2_0151_3011, SentAt: 5}
	withPayload := data
	withPayload.Payload = []byte("payload")
	tests := []struct {
		name string
		data string
		want pgoutput.Frame
	}{
		{"data", "w" + head + "payload", pgoutput.Frame{Kind: pgoutput.FrameXLogData, XLogData: withPayload}},
		{"data without payload", "w" + head, pgoutput.Frame{Kind: pgoutput.FrameXLogData, XLogData: data}},
		{"keepalive", "k" + alive + "\x00", pgoutput.Frame{
			Kind: pgoutput.FrameKeepalive, Keepalive: pgoutput.Keepalive{End: 0x2_0151_3010, SentAt: 5},
		}},
		{"keepalive that wants a reply", "k" + alive + "\x01", pgoutput.Frame{
			Kind: pgoutput.FrameKeepalive, Keepalive: pgoutput.Keepalive{End: 0x2_0151_3010, SentAt: 5, ReplyRequested: true},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var f pgoutput.Frame
			if err := f.Parse([]byte(test.data)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, f, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("frame differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFrameRefuses(t *testing.T) {
	const alive = "k" + "\x00\x00\x00\x02\x01\x51\x30\x10" + "\x00\x00\x00\x00\x00\x00\x00\x05" + "\x00"
	refuse := func(data string, want error) {
		t.Helper()
		f := pgoutput.Frame{Kind: pgoutput.FrameXLogData}
		if err := f.Parse([]byte(data)); !errors.Is(err, want) || f.Kind != 0 {
			t.Errorf("%q: kind %v, error %v, want %v", data, f.Kind, err, want)
		}
	}
	for n := range len(alive) {
		refuse(alive[:n], pgoutput.ErrMalformed)
		refuse("w"+alive[:n], pgoutput.ErrMalformed)
	}
	refuse(alive+"\x00", pgoutput.ErrMalformed)
	refuse("r", pgoutput.ErrUnknownKind)
}

func TestFrameLikePglogrepl(t *testing.T) {
	var f pgoutput.Frame
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload")
		data := wire("w").u64(rapid.Uint64().Draw(t, "start")).u64(rapid.Uint64().Draw(t, "end")).u64(drawTime(t)).u8(payload...)
		want, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Parse(data); err != nil {
			t.Fatal(err)
		}
		got := pglogrepl.XLogData{
			WALStart: pglogrepl.LSN(f.XLogData.Start), ServerWALEnd: pglogrepl.LSN(f.XLogData.End),
			ServerTime: f.XLogData.SentAt.Time(), WALData: f.XLogData.Payload,
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("data differs (-pglogrepl +pgoutput):\n%s", diff)
		}

		data = wire("k").u64(rapid.Uint64().Draw(t, "end")).u64(drawTime(t)).u8(rapid.Byte().Draw(t, "reply"))
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Parse(data); err != nil {
			t.Fatal(err)
		}
		if f.Keepalive.End != pg.LSN(alive.ServerWALEnd) || !f.Keepalive.SentAt.Time().Equal(alive.ServerTime) ||
			f.Keepalive.ReplyRequested != alive.ReplyRequested {
			t.Errorf("keepalive %+v, pglogrepl %+v", f.Keepalive, alive)
		}
	})
}

// FuzzFrame looks for a panic, and for a frame that pglogrepl would read otherwise.
func FuzzFrame(f *testing.F) {
	f.Add([]byte(wire("w").u64(1).u64(2).u64(3).str("payload")))
	f.Add([]byte(wire("k").u64(1).u64(2).u8(1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		var frame pgoutput.Frame
		if err := frame.Parse(data); err != nil {
			if frame.Kind != 0 {
				t.Errorf("kind %v beside the error %v", frame.Kind, err)
			}
			return
		}
		var err error
		switch frame.Kind {
		case pgoutput.FrameXLogData:
			_, err = pglogrepl.ParseXLogData(data[1:])
		case pgoutput.FrameKeepalive:
			_, err = pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		default:
			t.Errorf("kind %v without an error", frame.Kind)
		}
		if err != nil {
			t.Errorf("accepted %q, which pglogrepl refuses: %v", data, err)
		}
	})
}
