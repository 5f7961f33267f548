package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/plan"
)

// clusterFlags say where the cluster and the repo are.
type clusterFlags struct {
	primary, repo string
	standbys      []string
}

// add adds the flags; repo is what the repo is to the command.
func (c *clusterFlags) add(f *pflag.FlagSet, repo string) {
	f.StringVar(&c.primary, "primary-pgdsn", "", "`DSN` of the service under test, with one host or several")
	f.StringVar(&c.repo, "repo-pgdsn", "", "`DSN` of the repo"+repo)
	f.StringArrayVar(&c.standbys, "standby-pgdsn", nil, "`DSN` of one more node to ask when judging (repeatable)")
}

// schemaOnly adds the flags of a command that asks no standby. It takes those
// of a run all the same, so that one set of flags serves both.
func (c *clusterFlags) schemaOnly(f *pflag.FlagSet, repo string) {
	c.add(f, repo)
	f.Lookup("standby-pgdsn").Hidden = true
}

// targets parses the DSNs; the primary's is required.
func (c *clusterFlags) targets() (primary node.Target, standbys []node.Target, err error) {
	if c.primary == "" {
		return primary, nil, usageError{fmt.Errorf("no primary: name it with --primary-pgdsn or PGRPO_PRIMARY_PGDSN, as in postgres://user@host:5432/db")}
	}
	if primary, err = node.Parse(c.primary); err != nil {
		return primary, nil, fmt.Errorf("--primary-pgdsn: %w", err)
	}
	for _, dsn := range c.standbys {
		t, err := node.Parse(dsn)
		if err != nil {
			return primary, nil, fmt.Errorf("--standby-pgdsn: %w", err)
		}
		standbys = append(standbys, t)
	}
	return primary, standbys, nil
}

// placeFlags say where a run keeps its files and finds its server programs.
type placeFlags struct{ runDir, binDir string }

func (p *placeFlags) add(f *pflag.FlagSet) {
	p.addRunDir(f)
	f.StringVar(&p.binDir, "pg-bindir", "", "`directory` of initdb, pg_ctl and postgres, for servers of pgrpo's own")
}

func (p *placeFlags) addRunDir(f *pflag.FlagSet) {
	f.StringVar(&p.runDir, "run-dir", "pgrpo-runs", "`directory` that holds a directory for each run")
}

// loadFlags say what the workers send.
type loadFlags struct {
	workers                int
	insert, update, delete int
	ops, payload           int
	rate                   float64
	seed                   uint64
	warmup, duration       duration
	connTimeout            duration
}

func (l *loadFlags) add(f *pflag.FlagSet) {
	l.connTimeout = duration(2 * time.Second)
	f.IntVar(&l.workers, "parallel-workers", 8, "number of workers, each with a connection and a table of its own")
	f.IntVar(&l.insert, "insert-percent", 50, "share of inserts")
	f.IntVar(&l.update, "update-percent", 30, "share of updates")
	f.IntVar(&l.delete, "delete-percent", 20, "share of deletes")
	f.IntVar(&l.ops, "ops-per-txn", 4, "each transaction has 1 to this many operations")
	f.IntVar(&l.payload, "payload-bytes", 100, "bytes of text in each row")
	f.Float64Var(&l.rate, "rate", 0, "transactions per second of all workers together; 0 is as fast as they are answered")
	f.Uint64Var(&l.seed, "seed", 1, "what all chance is drawn from: the same seed gives the same plan")
	f.Var(&l.warmup, "warmup-duration", "load before the fault")
	f.Var(&l.duration, "duration", "the whole load, fault and recovery included")
	f.Var(&l.connTimeout, "rto-conn-timeout", "deadline of one connect, at most a minute; a bare number is seconds")
}

func (l *loadFlags) mix() (plan.Mix, error) {
	m := plan.Mix{Insert: l.insert, Update: l.update, Delete: l.delete, MaxOps: l.ops, PayloadBytes: l.payload}
	if l.workers < 1 || l.workers > 1000 {
		return m, usageError{fmt.Errorf("--parallel-workers %d: want 1 to 1000", l.workers)}
	}
	if !(l.rate >= 0) || math.IsInf(l.rate, 0) {
		return m, usageError{fmt.Errorf("--rate %g: want 0 or more", l.rate)}
	}
	// Earlier tools took milliseconds: their numbers would be a deadline of minutes.
	if l.connTimeout > duration(time.Minute) {
		return m, usageError{fmt.Errorf("--rto-conn-timeout %s: want at most 1m0s; a bare number is seconds, milliseconds are written as in 500ms", l.connTimeout.String())}
	}
	if err := m.Validate(); err != nil {
		return m, usageError{err}
	}
	return m, nil
}

// limitFlags are the objectives. A limit that was not given is reported but
// breaks nothing.
type limitFlags struct {
	transactions, rows, payload, wal, diverged int64
	seconds, rto, outage                       duration
	slots, strict, content                     bool
	expect                                     string
	// set is the flag set: only it knows which limits were given.
	set *pflag.FlagSet
}

// add adds the flags of a command that judges what servers hold.
func (l *limitFlags) add(f *pflag.FlagSet) {
	l.addLimits(f)
	f.BoolVar(&l.content, "full-data-validation", false, "read every surviving row's payload and make it again; without it, checksums are compared")
}

// addLimits adds those that say what is asked of evidence, whatever was read.
func (l *limitFlags) addLimits(f *pflag.FlagSet) {
	l.set = f
	l.outage = duration(time.Second)
	f.Int64Var(&l.transactions, "max-rpo-transactions", 0, "acknowledged transactions that may be lost: none, unless given")
	f.Int64Var(&l.rows, "max-rpo-rows", 0, "row changes that may be lost: no limit, unless given")
	f.Int64Var(&l.payload, "max-rpo-bytes", 0, "payload bytes that may be lost: no limit, unless given")
	f.Int64Var(&l.wal, "max-rpo-wal-bytes", 0, "WAL bytes that may be lost: no limit, unless given")
	f.Var(&l.seconds, "max-rpo-seconds", "time that may lie between the first lost acknowledgement and the last before the outage: no limit, unless given")
	f.Var(&l.rto, "max-rto", "longest time that may pass without any commit: no limit, unless given")
	f.Int64Var(&l.diverged, "max-diverged", 0, "captured transactions that the survivor may lack: no limit, unless given")
	f.BoolVar(&l.slots, "require-slot-survival", false, "the stream must show all that survives (objective cdc)")
	f.BoolVar(&l.strict, "strict-acks", false, "count a commit acknowledged without its synchronous standby as acknowledged")
	f.StringVar(&l.expect, "expect", "fault", "fault: a run without one proves nothing; none: a run with one proves nothing")
	f.Var(&l.outage, "outage-threshold", "shortest time without a commit that counts as an outage")
}

// judge fills the part of a case that the flags decide.
func (l *limitFlags) judge() (compare.Case, error) {
	c := compare.Case{OutageThreshold: time.Duration(l.outage)}
	switch l.expect {
	case "fault":
		c.Expect = compare.ExpectFault
	case "none":
		c.Expect = compare.ExpectNone
	default:
		return c, usageError{fmt.Errorf("--expect %q: want fault or none", l.expect)}
	}
	for _, name := range []string{"max-rpo-transactions", "max-rpo-rows", "max-rpo-bytes", "max-rpo-wal-bytes", "max-diverged"} {
		if v, err := l.set.GetInt64(name); err != nil || v < 0 {
			return c, usageError{fmt.Errorf("--%s %d: want 0 or more", name, v)}
		}
	}
	if l.strict {
		c.Acks = compare.StrictAcks
	}
	if l.content {
		c.Payload = compare.PayloadFull
	}
	given := func(name string, v int64) *int64 {
		if !l.set.Changed(name) {
			return nil
		}
		return &v
	}
	c.Limits.Transactions = &l.transactions
	c.Limits.Rows = given("max-rpo-rows", l.rows)
	c.Limits.PayloadBytes = given("max-rpo-bytes", l.payload)
	c.Limits.WALBytes = given("max-rpo-wal-bytes", l.wal)
	c.Limits.Diverged = given("max-diverged", l.diverged)
	c.Limits.Span = l.time("max-rpo-seconds", l.seconds)
	c.Limits.RTOGlobal = l.time("max-rto", l.rto)
	if l.slots {
		c.Limits.CDC = new(int64)
	}
	return c, nil
}

// anew puts what was given now in the place of what was asked before. Of evidence
// that was kept no finding depends on it.
func (l *limitFlags) anew(before, given compare.Case) compare.Case {
	c := before
	for name, put := range map[string]func(){
		"max-rpo-transactions":  func() { c.Limits.Transactions = given.Limits.Transactions },
		"max-rpo-rows":          func() { c.Limits.Rows = given.Limits.Rows },
		"max-rpo-bytes":         func() { c.Limits.PayloadBytes = given.Limits.PayloadBytes },
		"max-rpo-wal-bytes":     func() { c.Limits.WALBytes = given.Limits.WALBytes },
		"max-rpo-seconds":       func() { c.Limits.Span = given.Limits.Span },
		"max-rto":               func() { c.Limits.RTOGlobal = given.Limits.RTOGlobal },
		"max-diverged":          func() { c.Limits.Diverged = given.Limits.Diverged },
		"require-slot-survival": func() { c.Limits.CDC = given.Limits.CDC },
		"strict-acks":           func() { c.Acks = given.Acks },
		"expect":                func() { c.Expect = given.Expect },
		"outage-threshold":      func() { c.OutageThreshold = given.OutageThreshold },
		"full-data-validation":  func() { c.Payload = given.Payload },
	} {
		if l.set.Changed(name) {
			put()
		}
	}
	return c
}

// time is a limit of time, nil if it was not given.
func (l *limitFlags) time(name string, d duration) *time.Duration {
	if !l.set.Changed(name) {
		return nil
	}
	limit := time.Duration(d)
	return &limit
}
