//go:build !linux

package sandbox

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// osProcess is a live process of a server.
type osProcess struct {
	pid     int
	stopped bool // by SIGSTOP
}

// serverProcesses lists the postmaster and its children.
func serverProcesses(_ string, postmaster int) ([]osProcess, error) {
	out, err := exec.Command("ps", "-axo", "pid=,ppid=,stat=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []osProcess
	for line := range bytes.Lines(out) {
		var pid, parent int
		var state string
		if n, err := fmt.Sscan(string(line), &pid, &parent, &state); n != 3 || err != nil {
			continue
		}
		if (pid == postmaster || parent == postmaster) && !strings.HasPrefix(state, "Z") {
			all = append(all, osProcess{pid: pid, stopped: strings.HasPrefix(state, "T")})
		}
	}
	return all, nil
}
