package report

import (
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/compare"
)

// Split is a pair of servers that both acknowledged as the primary: acks counts
// what old acknowledged after new had taken over, and only_on_old what of that
// is not on the survivor, null where no survivor is proven. One that is advisory
// is not proven by the drivers' clocks, and is no finding.
type Split struct {
	Old       Server  `json:"old"`
	New       Server  `json:"new"`
	From      *string `json:"from"`
	To        *string `json:"to"`
	Acks      int64   `json:"acks"`
	OnlyOnOld *int64  `json:"only_on_old"`
	Advisory  bool    `json:"advisory"`
}

// Server is one server process: its address names no server, since another may
// answer there.
type Server struct {
	Address      *string `json:"address"`
	ProcessStart *string `json:"process_start"`
	Branch       int32   `json:"branch"`
	Timeline     *uint32 `json:"timeline"`
}

func (b builder) splits() []Split {
	all := []Split{}
	for _, s := range b.r.Splits {
		shown := Split{Old: server(s.Old), New: server(s.New), From: stamp(s.From), To: stamp(s.To), Acks: s.Acks, Advisory: s.Advisory}
		if b.f.Survivor.Proven {
			shown.OnlyOnOld = &s.OnlyOnOld
		}
		all = append(all, shown)
	}
	return all
}

func server(s compare.Server) Server {
	shown := Server{Address: text(s.Address), Branch: int32(s.Branch), Timeline: timeline(s.Timeline)}
	if s.Start != 0 {
		start := time.UnixMicro(int64(s.Start)).UTC().Format("2006-01-02T15:04:05.000000Z")
		shown.ProcessStart = &start
	}
	return shown
}

// splitLines tell of each pair of primaries.
func (r Report) splitLines() []string {
	var lines []string
	for _, s := range r.Splits {
		line := fmt.Sprintf("%s acknowledged %s after %s had taken over%s", s.Old, plural(s.Acks, "transaction", "transactions"), s.New, s.when())
		switch {
		case s.OnlyOnOld != nil && *s.OnlyOnOld == s.Acks:
			line += "; none of them is on the survivor"
		case s.OnlyOnOld != nil && *s.OnlyOnOld == 0:
			line += "; all of them are on the survivor"
		case s.OnlyOnOld != nil:
			line += "; " + count(*s.OnlyOnOld) + " of them not on the survivor"
		}
		if s.Advisory {
			line = "perhaps " + line + "; the clocks of the drivers do not prove it"
		}
		lines = append(lines, line)
	}
	return lines
}

// when is the time in which both acknowledged.
func (s Split) when() string {
	if s.From == nil || s.To == nil {
		return ""
	}
	from, err := time.Parse(time.RFC3339, *s.From)
	if err != nil {
		return ""
	}
	to, err := time.Parse(time.RFC3339, *s.To)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(", %s to %s (%s)", clock(from), clock(to), secs(to.Sub(from).Seconds()))
}

// String names the process in a line of text.
func (s Server) String() string {
	name := "a server"
	if s.Address != nil {
		name = *s.Address
	}
	on := fmt.Sprintf("branch %d", s.Branch)
	if s.Timeline != nil {
		on = fmt.Sprintf("timeline %d, %s", *s.Timeline, on)
	}
	if s.ProcessStart != nil {
		if t, err := time.Parse(time.RFC3339, *s.ProcessStart); err == nil {
			on += ", process of " + t.UTC().Format("2006-01-02 15:04:05.000")
		}
	}
	return fmt.Sprintf("%s (%s)", name, on)
}
