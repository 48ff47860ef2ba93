// A participant on livekit-client: does what a test asks for, and tells what happens. Same lines as a LineService.
//
// Text both ways is JSON. Binary is sound that was heard: float64 when it came (ms of performance.now), float64 its first
// frame on the audio clock, uint32 the track's number, uint32 nothing, int16 samples.

const { Room, RoomEvent, Track } = LivekitClient;
const socket = new WebSocket(`ws://${location.host}/lines`);
socket.binaryType = "arraybuffer";
const audio = new AudioContext({ sampleRate: 48000, latencyHint: 0, sinkId: { type: "none" } });
const worklet = audio.audioWorklet.addModule("/ear.js");
const ears = new Map(); // track sid -> number
const elements = new Map(); // track sid -> the element that keeps the sound flowing
let room;

const tell = (event, facts = {}) => socket.send(JSON.stringify({ event, at_ms: performance.now(), ...facts }));

async function listen(track, publication, participant) {
  if (track.kind !== Track.Kind.Audio) return;
  await worklet;
  await audio.resume();
  // Chromium takes a remote track's packets out of the jitter buffer only where an element plays it.
  const element = track.attach();
  element.muted = true;
  elements.set(publication.trackSid, element);
  const number = ears.size;
  ears.set(publication.trackSid, number);
  const ear = new AudioWorkletNode(audio, "ear", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  ear.port.onmessage = ({ data: { first, samples } }) => {
    const message = new ArrayBuffer(24 + samples.byteLength);
    const view = new DataView(message);
    view.setFloat64(0, performance.now(), true);
    view.setFloat64(8, first, true);
    view.setUint32(16, number, true);
    new Int16Array(message, 24).set(samples);
    socket.send(message);
  };
  audio.createMediaStreamSource(new MediaStream([track.mediaStreamTrack])).connect(ear);
  tell("listening", { identity: participant.identity, track: publication.trackSid, number });
}

const commands = {
  // For the clocks: the shorter this takes, the better is known how performance.now and the test's clock lie.
  clock: async () => performance.now(),

  join: async ({ url, token }) => {
    room = new Room({ adaptiveStream: false, dynacast: false });
    room.on(RoomEvent.TrackSubscribed, listen);
    room.on(RoomEvent.TrackUnsubscribed, (_, publication) => {
      elements.get(publication.trackSid)?.remove();
      tell("track_unsubscribed", { track: publication.trackSid });
    });
    room.on(RoomEvent.ParticipantConnected, (who) => tell("participant_connected", { identity: who.identity }));
    room.on(RoomEvent.ParticipantDisconnected, (who) => tell("participant_disconnected", { identity: who.identity }));
    room.on(RoomEvent.ConnectionQualityChanged, (quality, who) =>
      tell("connection_quality_changed", { identity: who.identity, quality: quality.toUpperCase() }));
    room.on(RoomEvent.ActiveSpeakersChanged, (speakers) =>
      tell("active_speakers_changed", { speakers: speakers.map((who) => who.identity) }));
    room.on(RoomEvent.Reconnecting, () => tell("reconnecting"));
    room.on(RoomEvent.Reconnected, () => tell("reconnected"));
    room.on(RoomEvent.Disconnected, (reason) => tell("disconnected", { reason }));
    await room.connect(url, token);
    return room.localParticipant.sid;
  },

  publish: async () => {
    // The file is what should be heard: nothing is to clean it.
    const options = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const publication = await room.localParticipant.setMicrophoneEnabled(true, options, { dtx: false });
    return publication.trackSid;
  },

  stats: async ({ identity }) => {
    const found = [];
    for (const publication of room.remoteParticipants.get(identity).trackPublications.values()) {
      const report = await publication.track?.receiver?.getStats();
      report?.forEach((each) => each.type === "inbound-rtp" && found.push(each));
    }
    return found;
  },

  leave: async () => room.disconnect(),
};

socket.onmessage = async ({ data }) => {
  const asked = JSON.parse(data);
  try {
    socket.send(JSON.stringify({ id: asked.id, result: (await commands[asked.do](asked.with)) ?? null }));
  } catch (error) {
    socket.send(JSON.stringify({ id: asked.id, error: String(error), kind: error.name }));
  }
};
socket.onopen = () => tell("ready");
