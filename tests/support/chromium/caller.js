// A participant on livekit-client: does what a test asks for, and tells what happens. Same lines as a LineService.
//
// Text both ways is JSON. Binary is sound that was heard: float64 when it left the jitter buffer to be played (ms of
// performance.now), uint32 the track's number, uint32 its sample rate, int16 samples.

const { Room, RoomEvent, Track } = LivekitClient;
const socket = new WebSocket(`ws://${location.host}/lines`);
socket.binaryType = "arraybuffer";
const ears = new Map(); // track sid -> number
const elements = new Map(); // track sid -> the element that keeps the sound flowing
// Sound that waits while the page is busy; of more than this the oldest is lost.
const WAITING_FRAMES = 100;
let room;

const tell = (event, facts = {}) => socket.send(JSON.stringify({ event, at_ms: performance.now(), ...facts }));

async function listen(track, publication, participant) {
  if (track.kind !== Track.Kind.Audio) return;
  // Chromium takes a remote track's packets out of the jitter buffer only where an element plays it.
  const element = track.attach();
  element.muted = true;
  elements.set(publication.trackSid, element);
  const number = ears.size;
  ears.set(publication.trackSid, number);
  hear(new MediaStreamTrackProcessor({ track: track.mediaStreamTrack, maxBufferSize: WAITING_FRAMES }), number);
  tell("listening", { identity: participant.identity, track: publication.trackSid, number });
}

// Each frame as it is played, with the time at which it was. An audio graph's clock is another than the player's: where
// the machine is busy it falls behind, and then every tenth frame or so is thrown away before a worklet sees it.
async function hear({ readable }, number) {
  for await (const frame of readable) {
    const sound = new Float32Array(frame.numberOfFrames);
    frame.copyTo(sound, { planeIndex: 0, format: "f32-planar" });
    const message = new ArrayBuffer(16 + 2 * sound.length);
    const view = new DataView(message);
    view.setFloat64(0, frame.timestamp / 1e3, true);
    view.setUint32(8, number, true);
    view.setUint32(12, frame.sampleRate, true);
    const samples = sound.map((sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
    new Int16Array(message, 16).set(samples);
    frame.close();
    socket.send(message);
  }
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
