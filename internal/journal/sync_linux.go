package journal

import (
	"errors"
	"os"
	"syscall"
)

// diskFile syncs data and size, and leaves the times of the file to the kernel.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
