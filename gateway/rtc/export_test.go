package rtc

// What only fuzzing calls by itself.

func CheckFragment(b []byte) error {
	_, err := parseFragment(b)
	return err
}

func CheckOffer(b []byte) error {
	_, err := checkOffer(b, []Format{{Codec: "VP8"}, {Codec: "VP9", FullChroma: true}})
	return err
}

func CheckMotion(b []byte) bool {
	_, ok := parseMotion(b)
	return ok
}

func CheckCopies(b []byte) (total int) {
	copies, _ := parseCopies(b)
	for _, c := range copies {
		total += len(c.bytes) + copyHead
	}
	return total
}
