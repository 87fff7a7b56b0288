/**
 * The desktop as video, exactly over the canvas that takes the input: that keeps its cursor, its size and its place,
 * and shows through until the first frame is there.
 */
export class VideoLayer {
  readonly #canvas: HTMLCanvasElement;
  readonly #video = document.createElement('video');
  readonly #sizes = new ResizeObserver(() => this.#fit());
  #shown = false;

  constructor(canvas: HTMLCanvasElement, media: MediaStream) {
    this.#canvas = canvas;
    const frame = canvas.parentElement;
    const video = this.#video;
    video.muted = video.autoplay = video.playsInline = true;
    video.disablePictureInPicture = true;
    video.setAttribute('aria-hidden', 'true');
    Object.assign(video.style, {
      position: 'absolute',
      objectFit: 'fill',
      pointerEvents: 'none',
      visibility: 'hidden',
    });
    video.srcObject = media;
    video.requestVideoFrameCallback(this.#show);
    video.addEventListener('resize', () => this.#fit());
    if (frame) {
      frame.style.position = 'relative';
      frame.append(video);
      this.#sizes.observe(frame);
    }
    this.#sizes.observe(canvas);
    void video.play().catch(() => undefined); // a page in the background plays when it is seen
  }

  /** The picture that is seen, if it is video. */
  picture(): HTMLVideoElement | null {
    return this.#video.style.visibility === 'visible' ? this.#video : null;
  }

  /** Lets the canvas be seen, which has the same picture exactly, until the next frame comes. */
  stepBack(): void {
    if (!this.#shown) return;
    this.#video.style.visibility = 'hidden';
    this.#video.dataset.exact = '';
  }

  readonly #show = (): void => {
    const video = this.#video;
    this.#shown = true;
    video.style.visibility = 'visible';
    video.dataset.shown = '';
    delete video.dataset.exact;
    video.requestVideoFrameCallback(this.#show);
  };

  remove(): void {
    this.#sizes.disconnect();
    this.#video.srcObject = null;
    this.#video.remove();
  }

  #fit(): void {
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight, width, height } = this.#canvas;
    // Some codecs have even sides only: of a desktop with an odd one, the last pixel is not of the picture.
    const beyond = (video: number, desktop: number) => (video === desktop + 1 ? video / desktop : 1);
    const across = beyond(this.#video.videoWidth, width);
    const down = beyond(this.#video.videoHeight, height);
    Object.assign(this.#video.style, {
      left: `${offsetLeft}px`,
      top: `${offsetTop}px`,
      width: `${offsetWidth * across}px`,
      height: `${offsetHeight * down}px`,
      clipPath:
        across + down > 2 ? `inset(0 ${offsetWidth * (across - 1)}px ${offsetHeight * (down - 1)}px 0)` : '',
    });
  }
}
