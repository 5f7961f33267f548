package live

import (
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestCounters(t *testing.T) {
	var c Counters
	at := func(d time.Duration, o txn.Outcome) txn.Entry { return txn.Entry{Sent: d, Outcome: o} }
	c.Entry(0, 1, at(time.Second, txn.Acked))
	c.Entry(1, 1, at(3*time.Second, txn.AckedUnreplicated))
	c.Entry(0, 2, at(2*time.Second, txn.Acked))
	if c.LastAck() != 3*time.Second || c.Acked() != 3 {
		t.Errorf("last ack %v of %d", c.LastAck(), c.Acked())
	}
	if c.Workers() != 2 || c.LastFault() != txn.NoFault {
		t.Errorf("%d workers, last fault %v", c.Workers(), c.LastFault())
	}
	if out := c.Out(9 * time.Second); out != 0 {
		t.Errorf("an idle service is out for %v", out)
	}
	if line := c.Line(9 * time.Second); !strings.Contains(line, "no commit for 6.0 s") {
		t.Errorf("of a server that hangs nothing is said: %s", line)
	}
	c.Probe(txn.Probe{At: 4 * time.Second, Fault: txn.Refused})
	if c.LastFault() != txn.Refused {
		t.Errorf("last fault %v", c.LastFault())
	}
	if out := c.Out(5 * time.Second); out != 2*time.Second {
		t.Errorf("out for %v, want 2 s from the last ack", out)
	}
	if line := c.Line(5 * time.Second); !strings.Contains(line, "no commit for 2.0 s") {
		t.Error(line)
	}
	c.Entry(0, 3, at(6*time.Second, txn.Acked))
	if out := c.Out(7 * time.Second); out != 0 {
		t.Errorf("out for %v after an ack", out)
	}
}
