package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// template returns a data directory as initdb leaves it, made once for each
// installation and server user. It must not be written to.
func (s *Sandbox) template(ctx context.Context) (string, error) {
	b := s.binaries
	name := fmt.Sprintf("initdb-%s-%s", b.Version, digest(b.Dir, strconv.Itoa(s.account.uid)))
	dir, err := s.account.cached(ctx, name, func(dir string) error {
		// Should we be killed now, the guard removes what is half made.
		if err := s.guard.tell(guardTemporary, dir); err != nil {
			return err
		}
		if err := s.account.own(dir); err != nil {
			return fmt.Errorf("prepare initdb: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		data := filepath.Join(dir, "data")
		cmd := s.account.command(ctx, dir, b.path("initdb"), "--no-sync", "--username=postgres",
			"--encoding=UTF8", "--locale=C", "--auth=trust", "--pgdata="+data)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run %s: %w: %s", b.path("initdb"), err, strings.TrimSpace(out.String()))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "data"), nil
}

// Where the facts of a data directory lie. ControlFileData of
// src/include/catalog/pg_control.h begins with the system identifier and ends
// with a CRC-32C of all before it, at a place that depends on the version. The
// first page of each WAL segment has the system identifier too
// (XLogLongPageHeaderData of src/include/access/xlog_internal.h).
const (
	controlStateAt      = 16 // DBState: 1 is DB_SHUTDOWNED, 2 the same in recovery
	controlCheckpointAt = 32 // LSN of the last checkpoint record
	controlShutdown     = 1
	walSystemIDAt       = 24
)

// castagnoli is the polynomial of PostgreSQL's CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// renewSystemID gives a copy of the template a system identifier of its own:
// two clusters of the same identifier would be taken for one.
func renewSystemID(data string) error {
	path := filepath.Join(data, "global", "pg_control")
	control, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("renew system identifier: %w", err)
	}
	at, ok := controlCRC(control)
	if !ok {
		return fmt.Errorf("renew system identifier: no checksum in %s", path)
	}
	// As PostgreSQL does: seconds in the upper half, what tells one cluster of
	// the same second from another in the lower.
	id := make([]byte, 8)
	if _, err := rand.Read(id[:4]); err != nil {
		return fmt.Errorf("renew system identifier: %w", err)
	}
	binary.NativeEndian.PutUint64(id, uint64(time.Now().Unix())<<32|uint64(binary.NativeEndian.Uint32(id)))
	copy(control, id)
	binary.NativeEndian.PutUint32(control[at:], crc32.Checksum(control[:at], castagnoli))
	if err := overwrite(path, 0, control); err != nil {
		return fmt.Errorf("renew system identifier: %w", err)
	}
	segments, err := filepath.Glob(filepath.Join(data, "pg_wal", strings.Repeat("[0-9A-F]", 24)))
	if err != nil || len(segments) == 0 {
		return errors.Join(err, fmt.Errorf("renew system identifier: no WAL in %s", data))
	}
	for _, segment := range segments {
		if err := overwrite(segment, walSystemIDAt, id); err != nil {
			return fmt.Errorf("renew system identifier: %w", err)
		}
	}
	return nil
}

// controlCRC finds the checksum in a pg_control file.
func controlCRC(control []byte) (int, bool) {
	for at := 200; at+4 <= min(len(control), 512); at += 4 {
		if crc32.Checksum(control[:at], castagnoli) == binary.NativeEndian.Uint32(control[at:]) {
			return at, true
		}
	}
	return 0, false
}

// overwrite writes into an existing file.
func overwrite(path string, at int64, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.WriteAt(content, at)
	return err
}

// shutdownCheckpoint is the LSN of the record that a clean shutdown wrote last.
func shutdownCheckpoint(data string) (uint64, error) {
	path := filepath.Join(data, "global", "pg_control")
	control, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read shutdown checkpoint: %w", err)
	}
	if _, ok := controlCRC(control); !ok {
		return 0, fmt.Errorf("read shutdown checkpoint: no checksum in %s", path)
	}
	if st := binary.NativeEndian.Uint32(control[controlStateAt:]); st != controlShutdown {
		return 0, fmt.Errorf("read shutdown checkpoint: server was not shut down cleanly (state %d)", st)
	}
	return binary.NativeEndian.Uint64(control[controlCheckpointAt:]), nil
}
