package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// osProcess is a live process of a server.
type osProcess struct {
	pid     int
	stopped bool // by SIGSTOP
}

// serverProcesses lists the live processes of a data directory. Every process
// of a server has the data directory as its working directory, also those whose
// postmaster is dead.
func serverProcesses(data string, _ int) ([]osProcess, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var all []osProcess
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir, err := os.Readlink("/proc/" + e.Name() + "/cwd")
		if err != nil || dir != data {
			continue // another user's, or gone
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // gone
		}
		// "pid (comm) state ...", where comm may hold anything.
		_, rest, _ := strings.Cut(string(stat), "(")
		at := strings.LastIndex(rest, ") ")
		if at < 0 || at+2 >= len(rest) || rest[:at] != "postgres" {
			continue
		}
		switch rest[at+2] {
		case 'Z', 'X':
		case 'T', 't':
			all = append(all, osProcess{pid: pid, stopped: true})
		default:
			all = append(all, osProcess{pid: pid})
		}
	}
	return all, nil
}
