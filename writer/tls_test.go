package writer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// enableTLS gives the server a certificate of its own and waits until it uses
// it.
func enableTLS(t *testing.T, server *sandbox.Server) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	info, err := os.Stat(server.Dir())
	check(t, err)
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner of the data directory")
	}
	for name, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: cert},
		"server.key": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		file := filepath.Join(server.Dir(), name)
		check(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
		check(t, os.Chown(file, int(owner.Uid), int(owner.Gid)))
	}
	check(t, server.Set(t.Context(), "ssl", "on"))
}

func TestLoadOverTLS(t *testing.T) {
	server := sandboxtest.Primary(t)
	enableTLS(t, server)
	dsn := strings.Replace(server.DSN("postgres"), "sslmode=disable", "sslmode=require", 1)
	target, err := node.Parse(dsn)
	check(t, err)
	until(t, "TLS", func() bool {
		conn, err := node.Connect(t.Context(), target, "test")
		if err != nil {
			return false
		}
		node.Close(conn)
		return true
	})
	l := prepare(t, server, dsn, 2)
	l.config.ConnectTimeout, l.config.StatementTimeout = 5*time.Second, time.Second
	l.start()
	l.untilAcked(100)
	l.sql(fmt.Sprintf("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'pgrpo/%d/%%'", l.config.Run))
	l.untilAcked(l.count(acked) + 50)
	check(t, server.Freeze())
	until(t, "a deadline", func() bool { return l.count(func(e txn.Entry) bool { return e.Fault == txn.Timeout }) > 0 })
	check(t, server.Thaw())
	l.untilAcked(l.count(acked) + 50)
	l.stop()
	l.verify()
}
