// What a track sounds like, as int16, in pieces of 10 ms, each with the frame of the audio clock that it begins at.
class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(sampleRate / 100);
    this.filled = 0;
  }

  process([input]) {
    // No channel: nothing is connected at this moment.
    const samples = input[0] ?? new Float32Array(128);
    for (let k = 0; k < samples.length; k++) {
      if (this.filled === 0) this.first = currentFrame + k;
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(samples[k] * 32768)));
      if (this.filled === this.piece.length) {
        this.port.postMessage({ first: this.first, samples: this.piece.slice() });
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor("ear", Ear);
