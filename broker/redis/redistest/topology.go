package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	client "github.com/redis/go-redis/v9"
)

// slots is how many a Redis Cluster has.
const slots = 16384

// Cluster starts that many masters, which share the slots evenly, and returns
// their addresses.
func Cluster(t testing.TB, masters int) []*Server {
	t.Helper()
	ctx := context.Background()
	nodes := make([]*Server, masters)
	for i := range nodes {
		nodes[i] = Start(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "5000")
		c := nodes[i].Client(t)
		if err := c.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if err := c.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(nodes[0].port)).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, node := range nodes {
		c := node.Client(t)
		if err := Until(func() error {
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(masters))) {
				err = fmt.Errorf("the cluster is not ready: %s", info)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return nodes
}

// Sentinels are a master with a replica, and the sentinel that watches them: one,
// whose word is enough.
type Sentinels struct {
	Name            string // of the master, to sentinels
	Master, Replica *Server
	Sentinel        *Server
}

// Sentinel starts a master, a replica in step with it, and a sentinel.
func Sentinel(t testing.TB) *Sentinels {
	t.Helper()
	ctx := context.Background()
	s := &Sentinels{Name: "streamspace", Master: Start(t)}
	s.Replica = Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.port))
	c := s.Replica.Client(t)
	if err := Until(func() error {
		info, err := c.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("the replica is not in step")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var err error
	s.Sentinel, err = newServer(func(sentinel *Server) {
		config := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %d 1\nsentinel down-after-milliseconds %[1]s 1500\nsentinel failover-timeout %[1]s 3000\n", s.Name, s.Master.port)
		path := filepath.Join(sentinel.Dir, "sentinel.conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Error(err)
		}
		sentinel.options = []string{"--sentinel"}
		sentinel.config = path
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Sentinel.Close)
	sentinel := client.NewSentinelClient(&client.Options{Addr: s.Sentinel.Address})
	defer sentinel.Close()
	if err := Until(func() error {
		replicas, err := sentinel.Replicas(ctx, s.Name).Result()
		if err == nil && len(replicas) == 0 {
			err = errors.New("the sentinel has not seen the replica")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return s
}
