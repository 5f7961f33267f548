package compare_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// aloneVariable makes the test binary a process that judges [BenchmarkTwoMillionAttempts]'
// run alone, and says how much it had resident at most.
const aloneVariable = "PGRPO_TEST_JUDGE"

func TestMain(m *testing.M) {
	if os.Getenv(aloneVariable) == "" {
		os.Exit(m.Run())
	}
	mib, err := judgeAlone()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(mib)
}

const manyAttempts = 2_000_000

func judgeAlone() (mib int, err error) {
	const workers = 4
	ev := &endless{workers: workers, attempts: manyAttempts / workers, faults: txn.BucketRows}
	c := testCase()
	c.Mix = endlessMix
	res, err := compare.Judge(c, ev.facts(), ev, nil)
	if err != nil || res.Attempts.Sent != manyAttempts {
		return 0, fmt.Errorf("judge %d attempts: %w", res.Attempts.Sent, err)
	}
	return resident()
}

// BenchmarkTwoMillionAttempts judges a run of that many attempts of every kind in
// four ledgers, of whose rows one in each bucket is wrong, in a process of its own.
// It reports what that had resident at most; to make up the evidence is a part of it.
func BenchmarkTwoMillionAttempts(b *testing.B) {
	const limit = 150
	most := 0
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), aloneVariable+"=1"), b.Output()
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var mib int
		if _, err := fmt.Sscan(string(out), &mib); err != nil {
			b.Fatalf("the process said %q: %v", out, err)
		}
		most = max(most, mib)
	}
	b.ReportMetric(float64(most), "MiB-resident")
	b.ReportMetric(manyAttempts*float64(b.N)/b.Elapsed().Seconds(), "attempts/s")
	if most == 0 || most > limit {
		b.Errorf("%d MiB resident, want at most %d", most, limit)
	}
}
