package kdc

import (
	"encoding/binary"

	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"latchkey/internal/directory"
	"latchkey/internal/directory/embedded"
)

const encTicketPartTag = asnAppTag.EncTicketPart

// issue gives a ticket its PAC and seals it under the server's key. attributes is whether the client has asked for a PAC; a ticket
// of the domain's own has one always, and says so in it (MS-KILE section 3.3.5.6.4).
func (s *Server) issue(part *messages.EncTicketPart, client, server *embedded.Principal, realm string, sname types.PrincipalName, attributes uint32) (messages.Ticket, error) {
	own := isTGS(sname) || isChangePassword(sname)
	key := keyOf(server, typesOf(server)[0])
	if err := s.addPAC(part, client, server, key, own, attributes); err != nil {
		return messages.Ticket{}, err
	}
	return sealTicket(part, realm, sname, key, server.Version)
}

func (s *Server) addPAC(part *messages.EncTicketPart, client, server *embedded.Principal, key types.EncryptionKey, own bool, attributes uint32) error {
	if !own && (attributes == 0 || server.Control&directory.NoAuthDataRequired != 0) {
		return nil
	}
	krbtgt, err := s.options.Engine.Keys(client.Domain.ID, "krbtgt")
	if err != nil {
		return err
	}
	defer krbtgt.Wipe()
	identity := client.Identity()
	buffers := []buffer{
		{pacLogonInfo, logonInfo(client, identity, part.AuthTime, !own)},
		{pacClientInfo, clientInfo(part.CName.PrincipalNameString(), part.AuthTime)},
		{pacUPN, upnInfo(client, identity)},
	}
	if own {
		// The flags are two bits (MS-PAC section 2.14).
		value := binary.LittleEndian.AppendUint32(nil, 2)
		buffers = append(buffers, buffer{pacAttributesInfo, binary.LittleEndian.AppendUint32(value, attributes)}, buffer{pacRequestor, []byte(client.SID)})
	}
	return sealPAC(part, buffers, key, types.EncryptionKey{KeyType: aes256, KeyValue: krbtgt.AES256}, !own)
}
