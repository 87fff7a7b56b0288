// What the product's own page is given to time inputs: the marker is read from what
// a person sees. A canvas is read once an animation frame, in which what it shows
// goes to the compositor. A video's frames go there by themselves: each is read when
// the browser tells of it, and counts from when it says that it handed it over
// (requestVideoFrameCallback's presentationTime). The layout is package marker's.
window.rtcBench = (() => {
	const cell = 8, columns = 16, rows = 9, sync = 0b1011001011100101, limit = 5000;
	const copy = document.createElement("canvas");
	[copy.width, copy.height] = [columns * cell, rows * cell];
	const context = copy.getContext("2d", { willReadFrequently: true });
	let begin = 0, fits = null, keys = 0, answered = null;

	const seen = () => {
		const stage = document.querySelector("[data-phase=connected]");
		const video = stage && stage.querySelector("video[data-shown]");
		return { video, canvas: stage && stage.querySelector("canvas:not([data-frozen])") };
	};
	const row = (pixels, y) => {
		let bits = 0;
		for (let x = 0; x < columns; x++) {
			const at = 4 * ((y * cell + cell / 2) * columns * cell + x * cell + cell / 2);
			bits = bits << 1 | (pixels[at] + pixels[at + 1] + pixels[at + 2] < 384 ? 1 : 0);
		}
		return bits;
	};
	const checksum = words => words.reduce((crc, word) => {
		crc ^= word;
		for (let i = 0; i < 16; i++) crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
		return crc;
	}, 0xffff);
	const read = () => {
		const { video, canvas } = seen();
		const picture = video || canvas;
		if (!picture) return null;
		context.drawImage(picture, 0, 0, copy.width, copy.height, 0, 0, copy.width, copy.height);
		const { data } = context.getImageData(0, 0, copy.width, copy.height);
		if (row(data, 0) !== sync) return null;
		const words = [];
		for (let y = 1; y < rows - 1; y++) words.push(row(data, y));
		if (checksum(words) !== row(data, rows - 1)) return null;
		return { key: words[0] & 0xff, keys: words[1] };
	};
	const until = (f, since, milliseconds) => new Promise(resolve => {
		const look = () => {
			const found = f(), now = performance.now();
			if (found) return resolve(now - since());
			if (now > (since() || now) + milliseconds) return resolve(null);
			requestAnimationFrame(look);
		};
		look();
	});
	// shown waits for a frame of the video in which f finds what it looks for.
	const shown = (video, f, since, milliseconds) => new Promise(resolve => {
		let over = false;
		const end = took => { over = true; clearTimeout(late); resolve(took); };
		const late = setTimeout(() => end(null), milliseconds);
		const look = (_, { presentationTime }) => {
			if (over) return;
			if (f()) return end(presentationTime - since());
			video.requestVideoFrameCallback(look);
		};
		video.requestVideoFrameCallback(look);
	});
	// counters are the browser's of the video, for figures of what is between two calls.
	const counters = async () => {
		for (const peer of window.rtcPeers || []) {
			if (peer.connectionState !== "connected") continue;
			for (const entry of (await peer.getStats()).values())
				if (entry.type === "inbound-rtp" && entry.kind === "video") return entry;
		}
		return null;
	};
	let before = null, bytes = 0, since = 0;
	return {
		async begin() {
			before = await counters();
			[bytes, since] = [window.rtcBytes, performance.now()];
		},
		async figures() {
			const after = await counters();
			if (!before || !after) return { mbit: (window.rtcBytes - bytes) * 8 / (performance.now() - since) / 1000 };
			const gained = name => (after[name] || 0) - (before[name] || 0);
			const frames = gained("framesDecoded"), seconds = (after.timestamp - before.timestamp) / 1000;
			return {
				fps: frames / seconds, decode: gained("totalDecodeTime") / frames * 1000,
				buffer: gained("jitterBufferDelay") / gained("jitterBufferEmittedCount") * 1000,
				whole: gained("totalProcessingDelay") / frames * 1000, mbit: gained("bytesReceived") * 8 / seconds / 1e6,
			};
		},
		// ready waits for the marker by the transport, and tells the milliseconds since
		// the page began to load.
		async ready(webrtc, milliseconds) {
			const took = await until(() => !!seen().video === webrtc && read(), () => 0.001, milliseconds);
			const mark = read();
			if (took === null || !mark) throw "no marker is seen by " + (webrtc ? "WebRTC" : "WebSocket");
			keys = mark.keys;
			return took;
		},
		async expectKey(symbol, pause) {
			await new Promise(resolve => setTimeout(resolve, pause));
			const want = keys = keys + 1 & 0xffff;
			begin = 0;
			fits = mark => mark.keys === want && mark.key === symbol;
			const note = () => {
				begin = performance.now();
				window.removeEventListener("keydown", note, true);
			};
			window.addEventListener("keydown", note, true);
			const { video } = seen(), found = () => { const mark = begin && read(); return mark && fits(mark); };
			answered = video ? shown(video, found, () => begin, limit) : until(found, () => begin, limit);
		},
		async answer() {
			const took = await answered;
			if (took === null) { const mark = read(); if (mark) keys = mark.keys; }
			return { took, webrtc: !!seen().video };
		},
	};
})();
undefined;
