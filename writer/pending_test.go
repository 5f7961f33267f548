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
	// Each connection ends with an attempt that was not acked; the connect that
	// follows hangs, and is given time to: looks are 2 ms apart or more.
	const looks, wait = 200, 400 * time.Millisecond
	from, looked := l.config.Journal.Now(), 0
	until(t, "a connect that hangs", func() bool {
		ended := l.count(func(e txn.Entry) bool { return e.Outcome != txn.Acked })
		l.mu.Lock()
		defer l.mu.Unlock()
		if looked++; ended < len(l.conns) {
			from, looked = l.config.Journal.Now(), 0
		}
		return looked > looks
	})
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
