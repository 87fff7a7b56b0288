package kubetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Node plays the scheduler and the kubelet for the pods of one namespace: it
// takes each pod, has it run, and lets it go when it is deleted. No process
// runs.
type Node struct {
	Name string

	cluster   *Cluster     // immutable
	namespace string       // immutable
	addresses atomic.Int32 // given to pods so far
	lost      atomic.Bool  // it does not answer: pods stay as they are

	mu     sync.Mutex
	failed error // guarded by mu
}

// hands is how many pods it acts on at a time, so that a test of many measures
// whoever makes them, and not this.
const hands = 16

// Node starts one that ends with the test.
func (c *Cluster) Node(t testing.TB, namespace string) *Node {
	t.Helper()
	n := &Node{Name: "node-1", cluster: c, namespace: namespace}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { n.run(ctx) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
		if n.failed != nil {
			t.Errorf("the played node: %v", n.failed)
		}
	})
	return n
}

// Lose has the node not answer any more.
func (n *Node) Lose() { n.lost.Store(true) }

func (n *Node) run(ctx context.Context) {
	// A pod's changes go through the same hands, so that their order stays.
	var group sync.WaitGroup
	var work [hands]chan *corev1.Pod
	for i := range work {
		work[i] = make(chan *corev1.Pod, 100)
		group.Go(func() {
			for pod := range work[i] {
				if err := n.act(ctx, pod); err != nil && ctx.Err() == nil {
					n.fail(err)
				}
			}
		})
	}
	give := func(pod *corev1.Pod) {
		sum := fnv.New32a()
		sum.Write([]byte(pod.Name))
		work[sum.Sum32()%hands] <- pod
	}
	for ctx.Err() == nil {
		if err := n.watch(ctx, give); err != nil && ctx.Err() == nil {
			n.fail(err)
			break
		}
	}
	for i := range work {
		close(work[i])
	}
	group.Wait()
}

func (n *Node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failed = errors.Join(n.failed, err)
}

// watch gives on what happens to pods until the API server ends the watch.
func (n *Node) watch(ctx context.Context, give func(*corev1.Pod)) error {
	var pods corev1.PodList
	if err := n.cluster.Client.List(ctx, &pods, client.InNamespace(n.namespace)); err != nil {
		return err
	}
	for i := range pods.Items {
		give(&pods.Items[i])
	}
	stream, err := n.cluster.Client.Watch(ctx, &corev1.PodList{}, client.InNamespace(n.namespace), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: pods.ResourceVersion},
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for event := range stream.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok || event.Type == watch.Deleted {
			continue
		}
		give(pod)
	}
	return nil
}

// act does what is next for a pod. What changed meanwhile comes again.
func (n *Node) act(ctx context.Context, pod *corev1.Pod) error {
	if n.lost.Load() {
		return nil
	}
	var err error
	switch {
	case pod.DeletionTimestamp != nil:
		err = n.cluster.Client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
	case pod.Spec.NodeName == "":
		err = n.cluster.Bind(ctx, pod, n.Name)
	case pod.Status.Phase == corev1.PodPending:
		number := n.addresses.Add(1)
		err = n.cluster.SetRunning(ctx, pod, fmt.Sprintf("10.1.%d.%d", number/250, number%250+1))
	}
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Bind puts a pod on a node, as the scheduler does.
func (c *Cluster) Bind(ctx context.Context, pod *corev1.Pod, node string) error {
	return c.Client.SubResource("binding").Create(ctx, pod, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	})
}

// SetRunning has the pod's container run and be ready.
func (c *Cluster) SetRunning(ctx context.Context, pod *corev1.Pod, address string) error {
	return c.setStatus(ctx, pod, corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}},
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			{Type: corev1.PodReady, Status: corev1.ConditionTrue},
		},
		ContainerStatuses: containers(pod, true, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}),
	})
}

// SetUnschedulable says what the scheduler says of a pod that fits nowhere.
func (c *Cluster) SetUnschedulable(ctx context.Context, pod *corev1.Pod, message string) error {
	return c.setStatus(ctx, pod, corev1.PodStatus{
		Phase: corev1.PodPending,
		Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message},
		},
	})
}

// SetWaiting has the pod's container wait, as when its image cannot be pulled.
func (c *Cluster) SetWaiting(ctx context.Context, pod *corev1.Pod, reason, message string) error {
	return c.setStatus(ctx, pod, corev1.PodStatus{
		Phase:             corev1.PodPending,
		Conditions:        []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}},
		ContainerStatuses: containers(pod, false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}),
	})
}

// SetEnded has the pod's container end by itself.
func (c *Cluster) SetEnded(ctx context.Context, pod *corev1.Pod, reason string, code int32, lastWords string) error {
	return c.setStatus(ctx, pod, corev1.PodStatus{
		Phase: corev1.PodFailed, PodIP: pod.Status.PodIP, PodIPs: pod.Status.PodIPs,
		ContainerStatuses: containers(pod, false, corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, Message: lastWords},
		}),
	})
}

// SetEvicted has the node throw the pod out.
func (c *Cluster) SetEvicted(ctx context.Context, pod *corev1.Pod, message string) error {
	return c.setStatus(ctx, pod, corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: message})
}

// Remove lets a pod go at once, as when its node is known to be off.
func (c *Cluster) Remove(ctx context.Context, namespace, name string, uid types.UID) error {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	return c.Client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &uid})
}

func (c *Cluster) setStatus(ctx context.Context, pod *corev1.Pod, status corev1.PodStatus) error {
	changed := pod.DeepCopy()
	changed.Status = status
	return c.Client.Status().Update(ctx, changed)
}

func containers(pod *corev1.Pod, ready bool, state corev1.ContainerState) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, container := range pod.Spec.Containers {
		all = append(all, corev1.ContainerStatus{Name: container.Name, Image: container.Image, Ready: ready, Started: &ready, State: state})
	}
	return all
}
