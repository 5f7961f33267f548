package writer

import (
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/journal"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A load that is ended while its workers wait for a server keeps how long they
// waited: an outage under way must not be cut short by its end.
func TestLoadEndsInAnOutage(t *testing.T) {
	server := sandboxtest.Primary(t)
	l := prepare(t, server, server.DSN("postgres"), 1)
	l.config.ConnectTimeout, l.config.StatementTimeout = 20*time.Second, 100*time.Millisecond
	l.start()
	l.untilAcked(20)
	check(t, server.Freeze())
	until(t, "an attempt in doubt", func() bool { return l.count(outcomeIs(txn.InDoubt)) > 0 })
	// The connect that follows hangs; it is given time to.
	const wait = 400 * time.Millisecond
	from := l.config.Journal.Now()
	until(t, "a while", func() bool { return l.config.Journal.Now() > from+wait })
	l.stop()
	check(t, server.Thaw())
	r, err := journal.Open(l.path)
	check(t, err)
	defer r.Close()
	var last txn.Probe
	for f, err := range r.Frames() {
		check(t, err)
		if p, ok := f.Body.(journal.Probe); ok {
			last = p.Probe
		}
	}
	if last.At+last.Took < from+wait || last.Fault != txn.NoFault {
		t.Errorf("last probe %+v, want one without a fault that ends past %v", last, from+wait)
	}
}
