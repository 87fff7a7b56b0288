package redis

import (
	"hash/fnv"
	"strconv"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// buckets is into how many parts the sessions are divided. What one script
// touches is in one part, whose number is the hash tag of its keys, so that a
// cluster keeps it on one node. It bounds how many nodes are of use, and never
// changes: processes of two versions would look in different places.
const buckets = 64

// keys names everything in Redis:
//
//	<prefix>:{<bucket>}:route:<session>    string, publish.lua
//	<prefix>:{<bucket>}:claim:<session>    hash, hold.lua
//	<prefix>:{<bucket>}:ends:<session>     sorted set: when each viewer's presence runs out
//	<prefix>:{<bucket>}:viewers:<session>  hash: viewer's id to JSON
//	<prefix>:{<bucket>}:touch:<session>    string, nanoseconds since 1970
//	<prefix>:{<bucket>}:picture:<session>  hash, picture.lua
//	<prefix>:{<bucket>}:revoked:<target>   hash, revoke.lua
//	<prefix>:{<bucket>}:told               hash: kind to the number of events told
//	<prefix>:{<bucket>}:life               string: changes when the bucket was emptied
//	<prefix>:{nodes}:ends, …:nodes         like a session's viewers, of gateways
//	<prefix>:ticket:<ticket>               string, redeem.lua
//	<prefix>:spent:<key>                   string, spend.lua
//	<prefix>:events:<kind>                 channel
type keys struct{ prefix string }

// bucketOf returns the part in which the thing of that name is.
func bucketOf(name string) int {
	h := fnv.New32a()
	h.Write([]byte(name)) // never fails
	return int(h.Sum32() % buckets)
}

func (k keys) in(bucket int, rest string) string {
	return k.prefix + ":{" + strconv.Itoa(bucket) + "}:" + rest
}

func (k keys) of(session streamspace.SessionID, what string) string {
	return k.in(bucketOf(string(session)), what+":"+string(session))
}

func (k keys) told(bucket int) string { return k.in(bucket, "told") }
func (k keys) life(bucket int) string { return k.in(bucket, "life") }

func (k keys) nodes() []string {
	return []string{k.prefix + ":{nodes}:ends", k.prefix + ":{nodes}:nodes"}
}

func (k keys) ticket(ticket streamspace.TicketID) string {
	return k.prefix + ":ticket:" + string(ticket)
}

func (k keys) spent(key string) string { return k.prefix + ":spent:" + key }

func (k keys) channels() string { return k.prefix + ":events:" }

func (k keys) channel(kind broker.EventKind) string { return k.channels() + string(kind) }
