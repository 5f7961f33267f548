package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// defaultTimeout bounds a connect or a query whose context has no deadline.
const defaultTimeout = 30 * time.Second

// Connect opens a connection under that application name. The context bounds
// it; without a deadline it takes at most 30 seconds. A failure is one line
// that names host and port and what to do, of kind trouble.Unavailable.
func Connect(ctx context.Context, t Target, appName string) (*pgconn.PgConn, error) {
	return connect(ctx, t, appName, nil)
}

// ConnectReplication opens a connection that takes replication commands as
// well as SQL ("replication=database" in the protocol's start message).
func ConnectReplication(ctx context.Context, t Target, appName string) (*pgconn.PgConn, error) {
	return connect(ctx, t, appName, map[string]string{"replication": "database"})
}

func connect(ctx context.Context, t Target, appName string, params map[string]string) (*pgconn.PgConn, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	cfg := t.Config()
	cfg.RuntimeParams["application_name"] = appName
	for k, v := range params {
		cfg.RuntimeParams[k] = v
	}
	established := t.dialer(cfg)
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, explainConnect(t, err)
	}
	established()
	return conn, nil
}

// Close ends a connection politely, but waits at most a second for that.
func Close(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// bounded gives a context without deadline the default one.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return within(ctx, defaultTimeout)
}

// within gives a context without deadline the given one.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// explainConnect turns a failed connect into one line. The cause stays in the
// chain.
func explainConnect(t Target, err error) error {
	return &connectError{line: connectLine(t, err), err: trouble.Unreachable("%w", err)}
}

// connectError shows one line and wraps the error that has all the detail.
type connectError struct {
	line string
	err  error
}

func (e *connectError) Error() string { return e.line }
func (e *connectError) Unwrap() error { return e.err }

func connectLine(t Target, err error) string {
	where := "connect to " + strings.Join(t.Addresses(), ", ") + ": "
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return where + serverLine(t, pe)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return where + fmt.Sprintf("host name %q is not known to DNS; check the host", dns.Name)
	}
	if tlsProblem(err) {
		return where + "no TLS connection could be made (" + lastLine(err) + "); check sslmode and the certificates"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return where + "connection refused; check that the server runs and listens there"
	case pgconn.Timeout(err), errors.Is(err, context.DeadlineExceeded):
		return where + "no answer in time; check the address and the network"
	case errors.Is(err, context.Canceled):
		return where + "interrupted"
	case errors.Is(err, pgconn.ErrReadOnlyConnection), errors.Is(err, pgconn.ErrStandbyConnection):
		return where + "no host takes writes; check target_session_attrs and which server is the primary"
	case errors.Is(err, syscall.ENOENT):
		return where + "no such socket; check that the server runs and uses that directory"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return where + "the server closed the connection before it was ready; look into its log"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return where + "there is no route to the host; check the address and the network"
	default:
		return where + lastLine(err)
	}
}

// serverLine explains an error with which the server itself refused.
func serverLine(t Target, pe *pgconn.PgError) string {
	switch pe.Code {
	case "28P01":
		return fmt.Sprintf("wrong password for role %q; give the right one in the connection string, PGPASSWORD or a password file", t.User())
	case "28000":
		return fmt.Sprintf("role %q may not log in (%s); check role and pg_hba.conf", t.User(), pe.Message)
	case "3D000":
		return fmt.Sprintf("there is no database %q; create it or name another", t.Database())
	case "42501":
		return fmt.Sprintf("role %q may not connect to database %q (%s); grant it what is missing", t.User(), t.Database(), pe.Message)
	case "53300":
		return "too many connections; raise max_connections or use fewer workers"
	case "57P03":
		return "the server is not ready for connections (starting up, shutting down or in recovery); try again later"
	default:
		return fmt.Sprintf("the server refused: %s (SQLSTATE %s)", pe.Message, pe.Code)
	}
}

// tlsProblem tells whether the connect failed on TLS or on a certificate. A server
// that answers nothing has not been asked for either.
func tlsProblem(err error) bool {
	if strings.Contains(strings.ReplaceAll(err.Error(), "tls error: timeout", ""), "tls error") {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// lastLine is the innermost text of an error without its list of addresses.
func lastLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
