// Package identity holds access keys and the principals they stand for.
package identity

// Principal is who makes a call.
type Principal struct {
	Type        string // CloudTrail's userIdentity.type: Root, IAMUser, AssumedRole, WebIdentityUser
	Account     string // 12 digits
	ARN         string
	ID          string // CloudTrail's principalId
	UserName    string // IAM user name; empty for root
	AccessKeyID string
	// Session is set for temporary credentials, and RoleARN for those of a role.
	Session *Session
	RoleARN string
	// Web is set for somebody who has no credentials yet, but an identity provider's word.
	Web *Web
}

// Source is what calls are counted by: whoever is behind the credentials, however many sessions there are.
func (p *Principal) Source() string {
	web := p.Web
	if p.Session != nil {
		web = p.Session.Web
	}
	switch {
	case web != nil:
		return web.Provider + " " + web.Subject
	case p.Session != nil:
		return p.Session.Behind
	}
	return p.AccessKeyID
}

// Root is the account itself, which may do everything.
func Root(partition, account, accessKeyID string) Principal {
	return Principal{
		Type:        "Root",
		Account:     account,
		ARN:         "arn:" + partition + ":iam::" + account + ":root",
		ID:          account,
		AccessKeyID: accessKeyID,
	}
}

// User is somebody who has an access key of the account, and may do what its policies allow.
func User(partition, account, userName, accessKeyID string) Principal {
	return Principal{
		Type:        "IAMUser",
		Account:     account,
		ARN:         "arn:" + partition + ":iam::" + account + ":user/" + userName,
		ID:          "AIDA" + accessKeyID[min(len("AKIA"), len(accessKeyID)):],
		UserName:    userName,
		AccessKeyID: accessKeyID,
	}
}
