package kdc

import (
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory/embedded"
)

// verifier holds what the client has sent against the key of an account: nil where it is not under that key, and an error where
// it is and still not good.
type verifier func(client *embedded.Principal, now time.Time) (*proof, error)

// preauthentication is the verifier of what the request brings, or nil when that is nothing that we know.
func (s *Server) preauthentication(r *request) verifier {
	if r.armor != nil {
		if value, ok := r.padata(patype.PA_ENCRYPTED_CHALLENGE); ok {
			return func(client *embedded.Principal, now time.Time) (*proof, error) {
				return s.challenge(r, value, client, now)
			}
		}
		return nil
	}
	if value, ok := r.padata(patype.PA_ENC_TIMESTAMP); ok {
		return func(client *embedded.Principal, now time.Time) (*proof, error) {
			return s.timestamp(r, value, client, now)
		}
	}
	return nil
}

// timestamp is PA-ENC-TIMESTAMP (RFC 4120 section 5.2.7.2).
func (s *Server) timestamp(r *request, value []byte, client *embedded.Principal, now time.Time) (*proof, error) {
	var data types.EncryptedData
	if err := data.Unmarshal(value); err != nil {
		return nil, refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the pre-authentication can't be read")
	}
	if data.EType != aes256 && data.EType != aes128 {
		return nil, refuse(errorcode.KDC_ERR_ETYPE_NOSUPP, "the encryption type is not supported")
	}
	key := keyOf(client, data.EType)
	if len(key.KeyValue) == 0 {
		return nil, refuse(errorcode.KDC_ERR_ETYPE_NOSUPP, "the account has no key")
	}
	plain, err := open(data, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		return nil, nil
	}
	if err := s.fresh(plain, now); err != nil {
		return nil, err
	}
	if _, _, err := s.replays.check(value, r.message, now); err != nil {
		return nil, err
	}
	return &proof{key: key, preauth: true}, nil
}

// fresh holds a client's encrypted time against the clock.
func (s *Server) fresh(plain []byte, now time.Time) error {
	var stamp types.PAEncTSEnc
	if _, err := asn1.Unmarshal(plain, &stamp); err != nil {
		return refuse(errorcode.KDC_ERR_PREAUTH_FAILED, "the pre-authentication can't be read")
	}
	return withinSkew(stamp.PATimestamp.Add(time.Duration(stamp.PAUSec)*time.Microsecond), now)
}

func withinSkew(theirs, now time.Time) error {
	if apart := now.Sub(theirs); apart > clockSkew || apart < -clockSkew {
		return refuse(errorcode.KRB_AP_ERR_SKEW, "the clocks are too far apart")
	}
	return nil
}
