package scenario_test

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// bare makes a server write no whole pages after a restart, which would take up
// the positions that commits had.
func bare() map[string]string { return map[string]string{"full_page_writes": "off"} }

// some is how many transactions a server is to take before the next deed.
const some = 60

// patience is far more than a server takes for what is waited for here, on a
// machine that is busy.
const patience = time.Minute

// field is a cluster of which a test knows every server.
type field struct {
	*sandbox.Sandbox
	t *testing.T
}

// open opens a field. Tests that play on one run side by side: they wait for
// their servers most of the time.
func open(t *testing.T) field {
	t.Helper()
	t.Parallel()
	return field{sandboxtest.Open(t), t}
}

func (f field) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f field) primary(name string, settings map[string]string) *sandbox.Server {
	f.t.Helper()
	v, err := f.Primary(f.t.Context(), name, settings)
	f.check(err)
	return v
}

// standby makes a standby that streams by way of a relay.
func (f field) standby(name string, of *sandbox.Server) (*sandbox.Server, *relay.Relay) {
	f.t.Helper()
	link, err := relay.Listen(context.WithoutCancel(f.t.Context()), of.Addr())
	f.check(err)
	f.t.Cleanup(func() { f.check(link.Close()) })
	v, err := f.Standby(f.t.Context(), name, of, link.Addr())
	f.check(err)
	f.check(v.WaitStreaming(f.t.Context(), of))
	return v, link
}

// dsn names servers; a client is to follow whichever takes writes.
func dsn(servers ...*sandbox.Server) string {
	var hosts []string
	for _, v := range servers {
		hosts = append(hosts, v.Addr())
	}
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", Host: strings.Join(hosts, ","),
		RawQuery: "sslmode=disable&target_session_attrs=read-write",
	}
	return u.String()
}

// deed is one part of a fault.
type deed func(context.Context) error

// oneByOne does deeds until one fails.
func oneByOne(deeds ...deed) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, do := range deeds {
			if err := do(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// takes waits until a server has taken some transactions more.
func takes(v *sandbox.Server) deed {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for first := -1; ; {
			text, err := v.Value(ctx, "select count(*) from pgrpo.marker")
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(text)
			if err != nil {
				return err
			}
			if first < 0 {
				first = n
			}
			if n >= first+some {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s takes no load: %w", v.Name(), ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// isHeard waits until the stream is read from a server.
func isHeard(v *sandbox.Server) deed {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			active, err := v.Value(ctx, "select count(*) from pg_replication_slots where slot_type = 'logical' and active")
			if err != nil || active != "0" {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("nobody reads from %s: %w", v.Name(), ctx.Err())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// recovers waits until a server has recovered from the death of a process, and
// with it has another WAL writer than it had.
func recovers(v *sandbox.Server, writer int) deed {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for {
			now, err := v.Backend(ctx, "walwriter")
			if err == nil && now != writer {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not recover: %w (%v)", v.Name(), ctx.Err(), err)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func freezes(l *relay.Relay) deed { return func(context.Context) error { l.Freeze(); return nil } }

// dies kills a server and what is under way from it.
func dies(v *sandbox.Server, links ...*relay.Relay) deed {
	return func(context.Context) error {
		err := v.Kill()
		for _, l := range links {
			l.Sever()
		}
		return err
	}
}
