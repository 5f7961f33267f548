//go:build !linux

package verdict_test

import "runtime"

// resident is what the Go runtime has of the system, in MiB: less than what is
// resident, on systems that do not tell that.
func resident() (mib int, err error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.Sys >> 20), nil
}
