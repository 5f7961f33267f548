package verdict_test

import (
	"fmt"
	"os"
	"strings"
)

// resident is the most memory that this process has had resident, in MiB, as the
// system tells it.
func resident() (mib int, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(peak, &kib); err != nil {
		return 0, fmt.Errorf("read VmHWM: %w", err)
	}
	return kib >> 10, nil
}
