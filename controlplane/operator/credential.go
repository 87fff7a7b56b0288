package operator

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// Keys of a session's Secret. The desktop is given the first three, a gateway
// the last three. Both ends' certificates have the same name in them, which no
// other session has: each end takes a certificate of its own name only.
const (
	keyCert        = "tls.crt"
	keyKey         = "tls.key"
	keyCA          = "ca.crt"
	keyGatewayCert = "gateway.crt"
	keyGatewayKey  = "gateway.key"
)

const (
	authorityName = "streamspace-desktop-ca" // the Secret with the namespace's authority

	authorityLife   = 20 * 365 * 24 * time.Hour
	certificateLife = 2 * 365 * 24 * time.Hour
	// renewBefore is how much a certificate must have left at a start; one that
	// is in use is not changed.
	renewBefore = certificateLife / 2
	backdate    = time.Hour // clocks differ
)

// hostOf is the name in a session's certificates; nobody looks it up.
func hostOf(s *v1alpha1.Session) string { return string(s.UID) + ".desktop." + v1alpha1.Group }

// ensureCredential makes the session's Secret, unless it has one that lasts.
func (r *sessions) ensureCredential(ctx context.Context, s *v1alpha1.Session) error {
	key := client.ObjectKey{Namespace: s.Namespace, Name: secretName(s)}
	var there corev1.Secret
	err := r.client.Get(ctx, key, &there)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the secret %s: %w", key.Name, err)
	}
	known := err == nil
	switch {
	case known && !metav1.IsControlledBy(&there, s):
		// Of an earlier session of the same name, whose things the cluster has not
		// put away yet.
		if err := r.client.Delete(ctx, &there, client.Preconditions{UID: &there.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting the secret %s of an earlier session: %w", key.Name, err)
		}
	case known && lasts(there.Data, r.now()):
		return nil
	}
	authority, err := r.authority(ctx, s.Namespace)
	if err != nil {
		return err
	}
	data, err := authority.issue(hostOf(s), r.now())
	if err != nil {
		return fmt.Errorf("making certificates for %s: %w", s.Name, err)
	}
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: key.Name, Labels: labelsOf(s),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, v1alpha1.GroupVersion().WithKind("Session"))},
		},
		Type: corev1.SecretTypeOpaque, Data: data,
	}
	if known && metav1.IsControlledBy(&there, s) {
		return r.apply(ctx, secret)
	}
	// Created, not applied: a Secret of that name that is somebody else's stays so.
	err = r.client.Create(ctx, secret, client.FieldOwner(fieldOwner))
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := r.live.Get(ctx, key, &there); err != nil {
		return fmt.Errorf("reading the secret %s: %w", key.Name, err)
	}
	if there.Labels[labelManaged] != fieldOwner {
		return &refusal{v1alpha1.ReasonNameTaken, fmt.Sprintf("There is a Secret %s that is not this session's: delete it, or name the session otherwise", key.Name)}
	}
	return fmt.Errorf("the secret %s is there already, which was not known yet", key.Name)
}

// lasts tells whether a session's certificates are there and good for a start.
func lasts(data map[string][]byte, now time.Time) bool {
	for _, pair := range [][2]string{{keyCert, keyKey}, {keyGatewayCert, keyGatewayKey}} {
		c, err := tls.X509KeyPair(data[pair[0]], data[pair[1]])
		if err != nil || c.Leaf == nil || c.Leaf.NotAfter.Sub(now) < renewBefore {
			return false
		}
	}
	return len(data[keyCA]) > 0
}

// authority signs the certificates of one namespace's sessions.
type authority struct {
	certificate *x509.Certificate
	text        []byte // PEM of it
	key         crypto.Signer
}

// authority reads the namespace's authority, and makes it the first time.
func (r *sessions) authority(ctx context.Context, namespace string) (*authority, error) {
	key := client.ObjectKey{Namespace: namespace, Name: authorityName}
	var secret corev1.Secret
	err := r.client.Get(ctx, key, &secret)
	if apierrors.IsNotFound(err) {
		data, fail := newAuthority(r.now())
		if fail != nil {
			return nil, fmt.Errorf("making the certificate authority: %w", fail)
		}
		secret = corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: authorityName, Labels: map[string]string{labelManaged: fieldOwner, labelComponent: "authority"}},
			Type:       corev1.SecretTypeTLS, Data: data,
		}
		// Created and not applied: of two that make one, the first one's counts.
		if err = r.client.Create(ctx, &secret, client.FieldOwner(fieldOwner)); apierrors.IsAlreadyExists(err) {
			err = r.live.Get(ctx, key, &secret)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority %s: %w", authorityName, err)
	}
	pair, err := tls.X509KeyPair(secret.Data[keyCert], secret.Data[keyKey])
	if err != nil {
		return nil, fmt.Errorf("the secret %s has no usable certificate: %w", authorityName, err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the secret %s has a key that cannot sign", authorityName)
	}
	return &authority{certificate: pair.Leaf, text: secret.Data[keyCert], key: signer}, nil
}

func newAuthority(now time.Time) (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "StreamSpace desktops"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return sign(template, template, key, key, keyCert, keyKey)
}

// issue makes the certificates of one session's two ends.
func (a *authority) issue(host string, now time.Time) (map[string][]byte, error) {
	data := map[string][]byte{keyCA: a.text}
	for _, end := range []struct {
		usage     x509.ExtKeyUsage
		cert, key string
	}{{x509.ExtKeyUsageServerAuth, keyCert, keyKey}, {x509.ExtKeyUsageClientAuth, keyGatewayCert, keyGatewayKey}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		made, err := sign(&x509.Certificate{
			DNSNames: []string{host}, NotBefore: now.Add(-backdate), NotAfter: now.Add(certificateLife),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{end.usage}, BasicConstraintsValid: true,
		}, a.certificate, key, a.key, end.cert, end.key)
		if err != nil {
			return nil, err
		}
		data[end.cert], data[end.key] = made[end.cert], made[end.key]
	}
	return data, nil
}

// sign makes a certificate and returns it with its key, as PEM under these names.
func sign(template, parent *x509.Certificate, key, signer crypto.Signer, certName, keyName string) (map[string][]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		certName: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyName:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
