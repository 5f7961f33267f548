//go:build !linux

package journal

import "os"

// diskFile syncs as the system does; on macOS that includes the drive's cache.
type diskFile struct{ *os.File }
