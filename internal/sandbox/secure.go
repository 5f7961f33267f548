package sandbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Secure gives a running server a certificate with its key, both in PEM, and
// turns TLS on. New connections have it when Secure returns; what pg_hba.conf
// admits stays as it is.
func (v *Server) Secure(ctx context.Context, certificate, key []byte) error {
	err := errors.Join(
		v.write(filepath.Join(v.data, "server.crt"), string(certificate)),
		v.write(filepath.Join(v.data, "server.key"), string(key)))
	if err != nil {
		return fmt.Errorf("secure server %s: %w", v.name, err)
	}
	return v.Set(ctx, "ssl", "on")
}
