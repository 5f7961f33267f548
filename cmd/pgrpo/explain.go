package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/explain/gather"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// explainFlags say which commits are meant, and what is read.
type explainFlags struct {
	cluster clusterFlags
	place   placeFlags
	worker  int32
	seq     int64
	xid     uint32
	lsn     string
	dataDir string
	fork    string
	salvage string
	format  string
	set     *pflag.FlagSet
}

func (e *explainFlags) add(f *pflag.FlagSet) {
	e.set = f
	e.cluster.add(f, " that the run had; an embedded one is found in the run's directory")
	e.place.add(f)
	f.Int32Var(&e.worker, "worker", 0, "worker of the attempt, with --seq")
	f.Int64Var(&e.seq, "seq", 0, "number of the attempt, with --worker")
	f.Uint32Var(&e.xid, "xid", 0, "transaction id; all attempts that had it are told of")
	f.StringVar(&e.lsn, "lsn", "", "position in a commit record, as in 0/48F4660; all attempts that may have theirs there are told of")
	f.StringVar(&e.dataDir, "data-dir", "", "data `directory` of a dead server, whose WAL is read")
	f.StringVar(&e.fork, "fork", "", "position at which the survivor left the dead server, where the run does not tell")
	f.StringVar(&e.salvage, "salvage", "", "`file` to write what was lost to, as SQL for the survivor; it must not be there")
	f.StringVar(&e.format, "report", "text", "text or json")
}

func explainCommand(logging *logFlags) *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:   "explain RUN",
		Short: "the life of one commit: by worker and seq, xid or LSN",
		Long: `explain tells of one commit what was planned, when it was sent, what the client was
told and by which server process, when the stream showed it or why not, where its
commit record lies in the WAL and to each fork, on which nodes it is, and what
was found of it, and sums it up in one sentence.

An xid or an LSN may have been used on several branches: all that match are
shown. Nodes are asked if --primary-pgdsn or --standby-pgdsn name them; what
the repo knows is told without them. Nothing is changed on any server.

With --data-dir alone, the WAL of a dead server is read, before anyone runs
pg_rewind on it: its commits at or past the point where the survivor left it,
which of them are attempts of the run, and whether those that were acknowledged
are the ones that the report calls lost.

--salvage writes the lost transactions as SQL for the survivor, made again from the
run's plan and seed: those in the data directory, or without one those that the
report calls lost. Nothing newer is overwritten by it. What it brought back stays
lost in the report of a later compare, and is counted there as restored.`,
		Example: `  pgrpo explain 20261120-170201 --worker 3 --seq 4711
  pgrpo explain 20261120-170201 --lsn 0/48F4B10 --data-dir /mnt/dead/data --report json
  pgrpo explain 20261120-170201 --data-dir /mnt/dead/data --primary-pgdsn postgres://tester@db2/test
  pgrpo explain 20261120-170201 --salvage lost.sql && psql -v ON_ERROR_STOP=1 -f lost.sql postgres://tester@db2/test`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.explain(cmd, logging, args[0])
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

// explain opens the run and tells of what is asked for.
func (e *explainFlags) explain(cmd *cobra.Command, logging *logFlags, name string) error {
	find, err := e.asked()
	if err != nil {
		return err
	}
	fork, err := e.forkAt()
	if err != nil {
		return err
	}
	if e.salvage != "" {
		if err := absent(e.salvage); err != nil {
			return err
		}
	}
	print := printText
	switch e.format {
	case "text":
	case "json":
		print = printJSON
	default:
		return usageError{fmt.Errorf("--report %q: want text or json", e.format)}
	}
	number, err := run.ParseRunName(name)
	if err != nil {
		return err
	}
	where, err := run.FindPlace(e.place.runDir, number)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	source, done, err := e.open(ctx, cmd, logging, where)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case find == nil && e.dataDir != "":
		return e.dead(cmd, source, fork)
	case find == nil:
		script, err := source.Salvage(ctx)
		if err != nil {
			return err
		}
		return e.save(cmd, script)
	}
	ids, err := find(source)
	if err != nil {
		return err
	}
	lives, err := source.Lives(ctx, ids)
	if err != nil {
		return err
	}
	return print(cmd.OutOrStdout(), lives)
}

// forkAt is the position that was given, 0 for none.
func (e *explainFlags) forkAt() (pg.LSN, error) {
	if e.fork == "" {
		return 0, nil
	}
	at, err := pg.ParseLSN(e.fork)
	if err != nil {
		return 0, usageError{fmt.Errorf("--fork: %w", err)}
	}
	return at, nil
}

// dead tells what the data directory has past the fork.
func (e *explainFlags) dead(cmd *cobra.Command, source *gather.Source, fork pg.LSN) error {
	dead, err := source.Dead(cmd.Context(), fork)
	if err != nil {
		return err
	}
	if e.format == "text" {
		err = dead.Text(cmd.OutOrStdout())
	} else {
		err = encode(cmd.OutOrStdout(), struct {
			SchemaVersion int `json:"schema_version"`
			explain.Dead
			Equal    bool   `json:"equal"`
			Sentence string `json:"sentence"`
		}{1, dead, dead.Equal(), dead.Sentence()})
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if e.salvage == "" {
		return nil
	}
	script, err := source.SalvageDead(dead)
	if err != nil {
		return err
	}
	return e.save(cmd, script)
}

// save writes the salvage, and says so beside the report.
func (e *explainFlags) save(cmd *cobra.Command, script salvage.Script) error {
	if err := writeSalvage(e.salvage, script); err != nil {
		return err
	}
	_, err := fmt.Fprint(cmd.ErrOrStderr(), salvaged(e.salvage, script))
	return err
}

// open opens the run, its nodes and the data directory.
func (e *explainFlags) open(ctx context.Context, cmd *cobra.Command, logging *logFlags, where run.Place) (*gather.Source, func(), error) {
	log, _, err := logging.open(cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	c := run.Config{Repo: e.cluster.repo, RunDir: e.place.runDir, BinDir: e.place.binDir, Log: log}
	if c.Primary, c.Standbys, err = e.targets(); err != nil {
		return nil, nil, err
	}
	var directory *gather.Directory
	if e.dataDir != "" {
		if directory, err = gather.OpenDirectory(e.dataDir); err != nil {
			return nil, nil, err
		}
	}
	evidence, err := run.Reopen(ctx, c, where)
	if err != nil {
		return nil, nil, err
	}
	done := func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		if err := evidence.Close(closing); err != nil {
			log.Warn(oneLine(err))
		}
	}
	source, err := gather.Open(ctx, evidence, directory)
	if err != nil {
		done()
		return nil, nil, err
	}
	return source, done, nil
}

// targets are the nodes to ask, which may be none.
func (e *explainFlags) targets() (primary node.Target, standbys []node.Target, err error) {
	if e.cluster.primary != "" {
		return e.cluster.targets()
	}
	for _, dsn := range e.cluster.standbys {
		t, err := node.Parse(dsn)
		if err != nil {
			return primary, nil, fmt.Errorf("--standby-pgdsn: %w", err)
		}
		standbys = append(standbys, t)
	}
	return primary, standbys, nil
}

// asked reads which attempts are meant: exactly one way of naming them is taken. It
// is nil where all that the data directory has past the fork is.
func (e *explainFlags) asked() (func(*gather.Source) ([]txn.ID, error), error) {
	var named []string
	for _, flag := range []string{"seq", "xid", "lsn"} {
		if e.set.Changed(flag) {
			named = append(named, "--"+flag)
		}
	}
	switch {
	case e.set.Changed("worker") != e.set.Changed("seq"):
		return nil, usageError{errors.New("--worker and --seq name an attempt together: give both")}
	case e.fork != "" && (e.dataDir == "" || len(named) > 0):
		return nil, usageError{errors.New("--fork goes with --data-dir alone, where all past the fork is told of")}
	case e.salvage != "" && len(named) > 0:
		return nil, usageError{errors.New("--salvage brings back all that was lost, and takes no single commit")}
	case len(named) == 0 && (e.dataDir != "" || e.salvage != ""):
		return nil, nil
	case len(named) != 1:
		return nil, usageError{errors.New("which commit? give --worker and --seq, or --xid, or --lsn; or all that a dead server has, with --data-dir")}
	case e.set.Changed("seq"):
		return func(s *gather.Source) ([]txn.ID, error) { return s.Attempt(txn.Worker(e.worker), txn.Seq(e.seq)) }, nil
	case e.set.Changed("xid"):
		if e.xid == 0 {
			return nil, usageError{fmt.Errorf("--xid 0: want 1 to %d", uint32(math.MaxUint32))}
		}
		return func(s *gather.Source) ([]txn.ID, error) { return s.Xid(pg.Xid(e.xid)) }, nil
	default:
		at, err := pg.ParseLSN(e.lsn)
		if err != nil {
			return nil, usageError{fmt.Errorf("--lsn: %w", err)}
		}
		return func(s *gather.Source) ([]txn.ID, error) { return s.LSN(at) }, nil
	}
}

func printText(to io.Writer, lives []explain.Life) error {
	if len(lives) > 1 {
		fmt.Fprintf(to, "%s attempts\n\n", strconv.Itoa(len(lives)))
	}
	for i, l := range lives {
		if i > 0 {
			fmt.Fprintln(to, "\n"+strings.Repeat("-", 80))
		}
		if err := l.Text(to); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

func printJSON(to io.Writer, lives []explain.Life) error {
	if err := encode(to, map[string]any{"schema_version": 1, "commits": lives}); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func encode(to io.Writer, what any) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(what)
}
