//go:build !linux

package capture

// captureAlone is for systems that tell how much a process had resident.
func captureAlone() (code int, is bool) { return 0, false }
