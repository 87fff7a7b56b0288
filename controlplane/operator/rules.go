package operator

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

// Network rules are two: one for all desktops of a namespace, which closes them,
// and one for each Template, which opens what its desktops need. Rules only ever
// add up, so that a Template's end leaves nothing open, and a session costs none.
const closedName = "streamspace-desktops"

func rulesName(template string) string { return "streamspace-template-" + template }

// private are networks that are not the internet: a cluster's own addresses are
// among them.
var private = map[string][]string{
	"0.0.0.0/0": {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"},
	"::/0":      {"::1/128", "fc00::/7", "fe80::/10", "ff00::/8"},
}

// ensureRules sees to the rules that a desktop of the Template needs, before
// there is one.
func (r *sessions) ensureRules(ctx context.Context, t *v1alpha1.Template) error {
	if err := r.applyOnce(ctx, closed(t.Namespace), &networkingv1.NetworkPolicy{}); err != nil {
		return err
	}
	return r.applyOnce(ctx, r.opened(t), &networkingv1.NetworkPolicy{})
}

func policy(namespace, name string, selector map[string]string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{labelManaged: fieldOwner}},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: selector},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		},
	}
}

// closed lets nothing in and nothing out of any pod of ours.
func closed(namespace string) *networkingv1.NetworkPolicy {
	return policy(namespace, closedName, map[string]string{labelManaged: fieldOwner})
}

// opened lets gateways in, and out what the Template says.
func (r *sessions) opened(t *v1alpha1.Template) *networkingv1.NetworkPolicy {
	p := policy(t.Namespace, rulesName(t.Name), map[string]string{labelManaged: fieldOwner, labelComponent: Component, v1alpha1.LabelTemplate: t.Name})
	from := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: r.gateways.Labels}}
	if len(r.gateways.Labels) == 0 {
		from.PodSelector.MatchLabels = map[string]string{labelComponent: "gateway"}
	}
	if r.gateways.Namespace != "" && r.gateways.Namespace != t.Namespace {
		from.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: r.gateways.Namespace}}
	}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{
		From:  []networkingv1.NetworkPolicyPeer{from},
		Ports: []networkingv1.NetworkPolicyPort{{Protocol: ptr(corev1.ProtocolTCP), Port: ptr(intstr.FromInt32(t.Spec.VNC.Port))}},
	}}
	if t.Spec.Network == v1alpha1.NetworkInternet {
		p.Spec.Egress = append(p.Spec.Egress, names(), internet())
	}
	p.Spec.Egress = append(p.Spec.Egress, t.Spec.Egress...)
	return p
}

// names is name service, which is the cluster's own.
func names() networkingv1.NetworkPolicyEgressRule {
	return networkingv1.NetworkPolicyEgressRule{
		To: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: metav1.NamespaceSystem}},
		}},
		Ports: []networkingv1.NetworkPolicyPort{
			{Protocol: ptr(corev1.ProtocolUDP), Port: ptr(intstr.FromInt32(53))},
			{Protocol: ptr(corev1.ProtocolTCP), Port: ptr(intstr.FromInt32(53))},
		},
	}
}

func internet() networkingv1.NetworkPolicyEgressRule {
	var rule networkingv1.NetworkPolicyEgressRule
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		rule.To = append(rule.To, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: all, Except: private[all]}})
	}
	return rule
}
