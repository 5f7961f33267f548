package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// recordFile holds a record, in the server's folder.
const recordFile = "server.json"

// record is what a server's configuration files are made of.
type record struct {
	Major    int               `json:"major"`
	Port     int               `json:"port"`
	Settings map[string]string `json:"settings"`
	HBA      []string          `json:"hba"`
	Conninfo string            `json:"conninfo"` // of its upstream, "" for none
	Slot     string            `json:"slot"`     // at its upstream
}

// settings is the content of postgresql.conf: our base, under what was asked
// for, under what the sandbox itself needs.
func (v *Server) settings() map[string]string {
	all := map[string]string{
		"wal_level":                   "logical",
		"max_wal_senders":             "20",
		"max_replication_slots":       "20",
		"max_connections":             "200",
		"max_worker_processes":        "16",
		"shared_buffers":              "64MB",
		"dynamic_shared_memory_type":  "mmap", // /dev/shm is small in containers
		"fsync":                       "off",
		"autovacuum":                  "on",
		"wal_log_hints":               "on",
		"hot_standby":                 "on",
		"max_wal_size":                "1GB",
		"wal_retrieve_retry_interval": "500ms",
		"log_line_prefix":             "%m [%p] %q%a ",
		"log_replication_commands":    "on",
		"timezone":                    "UTC",
		"log_timezone":                "UTC",
	}
	maps.Copy(all, v.record.Settings)
	all["listen_addresses"] = "127.0.0.1"
	all["port"] = strconv.Itoa(v.record.Port)
	all["unix_socket_directories"] = v.sockets
	all["cluster_name"] = v.name
	if v.record.Conninfo != "" {
		all["primary_conninfo"] = v.record.Conninfo
		all["primary_slot_name"] = v.record.Slot
		all["hot_standby_feedback"] = "on"
		all["recovery_target_timeline"] = "latest"
	}
	return all
}

// configure writes postgresql.conf, pg_hba.conf and the record. v.mu is held.
func (v *Server) configure() error {
	var conf strings.Builder
	conf.WriteString("# Written by pgrpo at each start; use ALTER SYSTEM for changes.\n")
	all := v.settings()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(all[name])
		fmt.Fprintf(&conf, "%s = '%s'\n", name, value)
	}
	hba := append(slices.Clone(v.record.HBA),
		"local all all trust",
		"local replication all trust",
		"host all all 127.0.0.1/32 trust",
		"host replication all 127.0.0.1/32 trust")
	rec, err := json.MarshalIndent(v.record, "", "  ")
	if err != nil {
		return fmt.Errorf("configure server %s: %w", v.name, err)
	}
	err = errors.Join(
		v.write(filepath.Join(v.data, "postgresql.conf"), conf.String()),
		v.write(filepath.Join(v.data, "pg_hba.conf"), strings.Join(hba, "\n")+"\n"),
		v.write(filepath.Join(v.dir, recordFile), string(rec)+"\n"))
	if err != nil {
		return fmt.Errorf("configure server %s: %w", v.name, err)
	}
	return nil
}

// write makes a file of the server user's, in one step.
func (v *Server) write(path, content string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	if err := os.Lchown(tmp, v.sandbox.account.uid, v.sandbox.account.gid); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// remember reads the record of an existing server.
func (v *Server) remember() error {
	content, err := os.ReadFile(filepath.Join(v.dir, recordFile))
	if err != nil {
		return fmt.Errorf("read record of server %s: %w", v.name, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := json.Unmarshal(content, &v.record); err != nil {
		return fmt.Errorf("read record of server %s: %w", v.name, err)
	}
	return nil
}

// signalStandby makes the next start one as a standby.
func (v *Server) signalStandby() error {
	return v.write(filepath.Join(v.data, "standby.signal"), "")
}

// unsignal removes the files that start a server in recovery.
func (v *Server) unsignal() error {
	for _, name := range []string{"standby.signal", "recovery.signal"} {
		if err := os.Remove(filepath.Join(v.data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
