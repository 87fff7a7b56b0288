package rfb

import "fmt"

// SecurityType is how two ends prove who they are (section "Security Types").
type SecurityType uint8

// Of these the handshakes speak None, VncAuth and, as a client, VeNCrypt.
const (
	SecurityInvalid  SecurityType = 0 // announces a failure, with a reason
	SecurityNone     SecurityType = 1
	SecurityVncAuth  SecurityType = 2
	SecurityRA2      SecurityType = 5
	SecurityRA2ne    SecurityType = 6
	SecurityTight    SecurityType = 16
	SecurityTLS      SecurityType = 18
	SecurityVeNCrypt SecurityType = 19
	SecuritySASL     SecurityType = 20
	SecurityXVP      SecurityType = 22
	SecurityDH       SecurityType = 30
	SecurityMSLogon2 SecurityType = 113
	SecurityRA2256   SecurityType = 129
	SecurityRA2ne256 SecurityType = 130
)

var securityNames = map[SecurityType]string{
	SecurityInvalid:  "Invalid",
	SecurityNone:     "None",
	SecurityVncAuth:  "VncAuth",
	SecurityRA2:      "RA2",
	SecurityRA2ne:    "RA2ne",
	SecurityTight:    "Tight",
	SecurityTLS:      "TLS",
	SecurityVeNCrypt: "VeNCrypt",
	SecuritySASL:     "SASL",
	SecurityXVP:      "XVP",
	SecurityDH:       "DH",
	SecurityMSLogon2: "MSLogonII",
	SecurityRA2256:   "RA2_256",
	SecurityRA2ne256: "RA2ne_256",
}

func (s SecurityType) String() string {
	if name, ok := securityNames[s]; ok {
		return name
	}
	return fmt.Sprintf("SecurityType(%d)", uint8(s))
}

// VeNCryptType is one of VeNCrypt's subtypes: what encrypts, and what
// authenticates inside.
type VeNCryptType uint32

// Of these the client handshake speaks the X509 ones. The TLS ones are TLS with
// anonymous Diffie-Hellman, which protects against nobody in the middle and
// which crypto/tls does not have.
const (
	VeNCryptPlain     VeNCryptType = 256
	VeNCryptTLSNone   VeNCryptType = 257
	VeNCryptTLSVnc    VeNCryptType = 258
	VeNCryptTLSPlain  VeNCryptType = 259
	VeNCryptX509None  VeNCryptType = 260
	VeNCryptX509Vnc   VeNCryptType = 261
	VeNCryptX509Plain VeNCryptType = 262
	VeNCryptTLSSASL   VeNCryptType = 263
	VeNCryptX509SASL  VeNCryptType = 264
)

var veNCryptNames = map[VeNCryptType]string{
	VeNCryptPlain:     "Plain",
	VeNCryptTLSNone:   "TLSNone",
	VeNCryptTLSVnc:    "TLSVnc",
	VeNCryptTLSPlain:  "TLSPlain",
	VeNCryptX509None:  "X509None",
	VeNCryptX509Vnc:   "X509Vnc",
	VeNCryptX509Plain: "X509Plain",
	VeNCryptTLSSASL:   "TLSSASL",
	VeNCryptX509SASL:  "X509SASL",
}

func (v VeNCryptType) String() string {
	if name, ok := veNCryptNames[v]; ok {
		return name
	}
	return fmt.Sprintf("VeNCryptType(%d)", uint32(v))
}

// Version is a protocol version. Three are published.
type Version uint8

const (
	Version33 Version = 33 // the server chooses the security type
	Version37 Version = 37 // the client chooses
	Version38 Version = 38 // and every choice ends with a result and a reason
)

func (v Version) String() string { return fmt.Sprintf("%d.%d", v/10, v%10) }

// line is the version as the wire has it.
func (v Version) line() string { return fmt.Sprintf("RFB %03d.%03d\n", v/10, v%10) }
