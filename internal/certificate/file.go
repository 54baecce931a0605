package certificate

import (
	"bytes"
	"encoding/pem"
	"os"

	"latchkey/internal/durable"
)

func writePEM(path string, mode os.FileMode, kind string, blocks ...[]byte) error {
	var text bytes.Buffer
	for _, block := range blocks {
		if err := pem.Encode(&text, &pem.Block{Type: kind, Bytes: block}); err != nil {
			return err
		}
	}
	return durable.Replace(path, mode, text.Bytes())
}
