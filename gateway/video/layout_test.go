//go:build linux && (amd64 || arm64)

package video

import (
	"testing"
	"unsafe"
)

// What a C compiler says of the headers of libvpx 1.12, libaom 3.6 and OpenH264 2.3
// on 64-bit machines.
func TestLayouts(t *testing.T) {
	t.Parallel()
	var v vpxConfig
	var vi vpxImage
	var a aomConfig
	var ai aomImage
	var p apiPacket
	var c apiContext
	var h h264Config
	var hp h264Picture
	var hi h264Info
	var hs h264Statistics
	for _, field := range []struct {
		name      string
		got, want uintptr
	}{
		{"vpx_codec_enc_cfg_t", unsafe.Offsetof(v.rest) + unsafe.Sizeof(v.rest), vpxConfigSize},
		{"vpx g_timebase", unsafe.Offsetof(v.timebaseNum), 28},
		{"vpx rc_end_usage", unsafe.Offsetof(v.endUsage), 72},
		{"vpx rc_target_bitrate", unsafe.Offsetof(v.targetBitrate), 112},
		{"vpx rc_buf_sz", unsafe.Offsetof(v.bufferSize), 132},
		{"vpx kf_mode", unsafe.Offsetof(v.keyMode), 160},
		{"vpx ss_number_layers", unsafe.Offsetof(v.spatialLayers), 172},
		{"vpx ts_number_layers", unsafe.Offsetof(v.temporalLayers), 216},
		{"vpx_image_t planes", unsafe.Offsetof(vi.planes), 48},
		{"vpx_image_t stride", unsafe.Offsetof(vi.strides), 80},
		{"vpx_image_t img_data", unsafe.Offsetof(vi.data), 112},
		{"aom_codec_enc_cfg_t", unsafe.Offsetof(a.rest) + unsafe.Sizeof(a.rest), aomConfigSize},
		{"aom g_timebase", unsafe.Offsetof(a.timebaseNum), 40},
		{"aom rc_end_usage", unsafe.Offsetof(a.endUsage), 96},
		{"aom rc_target_bitrate", unsafe.Offsetof(a.targetBitrate), 136},
		{"aom rc_buf_sz", unsafe.Offsetof(a.bufferSize), 156},
		{"aom kf_mode", unsafe.Offsetof(a.keyMode), 184},
		{"aom kf_max_dist", unsafe.Offsetof(a.keyMaxDistance), 192},
		{"aom_image_t planes", unsafe.Offsetof(ai.planes), 64},
		{"aom_image_t stride", unsafe.Offsetof(ai.strides), 88},
		{"aom_image_t sz", unsafe.Offsetof(ai.size), 104},
		{"aom_image_t bps", unsafe.Offsetof(ai.bitsPerSample), 112},
		{"packet buf", unsafe.Offsetof(p.data), 8},
		{"packet flags", unsafe.Offsetof(p.flags), 40},
		{"context err_detail", unsafe.Offsetof(c.errDetail), 24},
		{"context priv", unsafe.Offsetof(c.private), 48},
		{"SSpatialLayerConfig", unsafe.Sizeof(h264Layer{}), 200},
		{"SEncParamExt sSpatialLayers", unsafe.Offsetof(h.layers), 32},
		{"SEncParamExt iComplexityMode", unsafe.Offsetof(h.complexity), 832},
		{"SEncParamExt bEnableFrameSkip", unsafe.Offsetof(h.skip), 860},
		{"SEncParamExt iMultipleThreadIdc", unsafe.Offsetof(h.threads), 892},
		{"SEncParamExt iIdrBitrateRatio", unsafe.Offsetof(h.keyPercent), 916},
		{"SSourcePicture pData", unsafe.Offsetof(hp.planes), 24},
		{"SSourcePicture uiTimeStamp", unsafe.Offsetof(hp.time), 64},
		{"SLayerBSInfo", unsafe.Sizeof(h264Coded{}), h264LayerShort},
		{"SFrameBSInfo sLayerInfo", unsafe.Offsetof(hi.layer), 8},
		{"SEncoderStatistics uiAverageFrameQP", unsafe.Offsetof(hs.quantizer), 24},
	} {
		if field.got != field.want {
			t.Errorf("%s: %d, in C %d", field.name, field.got, field.want)
		}
	}
}
