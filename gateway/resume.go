package gateway

import "time"

// resumeLife is how long what a gateway signed for its viewers is good.
const resumeLife = 2 * time.Minute
