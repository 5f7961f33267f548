package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken below the range from which systems choose the ports of
// outgoing connections, so that a server that is down finds its port free again.
const (
	firstPort = 15000
	lastPort  = 29999
)

// freePort is a port of 127.0.0.1 that nobody listens on now and that no other
// server of the sandbox has.
func (s *Sandbox) freePort() (int, error) {
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if portFree(port) && !s.portKnown(port) {
			return port, nil
		}
	}
	return 0, errors.New("find free port: none in 200 tries from " + strconv.Itoa(firstPort) + " to " + strconv.Itoa(lastPort))
}

// portKnown says whether a server of the sandbox has this port, up or down.
func (s *Sandbox) portKnown(port int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.servers {
		if v.Port() == port {
			return true
		}
	}
	for _, p := range s.poolers {
		if p.port == port {
			return true
		}
	}
	return false
}

// portFree says whether one can listen on a port now.
func portFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
