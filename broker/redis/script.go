package redis

import (
	_ "embed"

	client "github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/prelude.lua
	prelude string
	// serverClock is the time by which scripts judge. A simulation has another.
	//go:embed lua/clock.lua
	serverClock string

	//go:embed lua/hold.lua
	holdLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/publish.lua
	publishLua string
	//go:embed lua/withdraw.lua
	withdrawLua string
	//go:embed lua/tell.lua
	tellLua string
	//go:embed lua/join.lua
	joinLua string
	//go:embed lua/leave.lua
	leaveLua string
	//go:embed lua/viewers.lua
	viewersLua string
	//go:embed lua/touch.lua
	touchLua string
	//go:embed lua/redeem.lua
	redeemLua string
	//go:embed lua/revoke.lua
	revokeLua string
	//go:embed lua/spend.lua
	spendLua string
	//go:embed lua/picture.lua
	pictureLua string
	//go:embed lua/announce.lua
	announceLua string
	//go:embed lua/nodes.lua
	nodesLua string
)

// scripts are all that changes anything in Redis. Each may run twice for one
// call, since an answer can be lost on its way, and says in its head what keys
// and arguments it takes.
type scripts struct {
	hold, release               *client.Script
	publish, withdraw, tell     *client.Script
	join, leave, viewers, touch *client.Script
	redeem, revoke, spend       *client.Script
	picture                     *client.Script
	announce, nodes             *client.Script
}

// newScripts puts before each script the clock and the words they share.
func newScripts(clock string) *scripts {
	with := func(body string) *client.Script { return client.NewScript(clock + prelude + body) }
	return &scripts{
		hold: with(holdLua), release: with(releaseLua),
		publish: with(publishLua), withdraw: with(withdrawLua), tell: with(tellLua),
		join: with(joinLua), leave: with(leaveLua), viewers: with(viewersLua), touch: with(touchLua),
		redeem: with(redeemLua), revoke: with(revokeLua), spend: with(spendLua),
		picture: with(pictureLua), announce: with(announceLua), nodes: with(nodesLua),
	}
}
