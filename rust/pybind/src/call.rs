//! A call's handles: what it heard, what it says, what happens, what it is told.

use crate::buffer::{Pcm, to_bytes};
use crate::door::InputWriter;
use crate::error::{error, invalid_config, invalid_format, invalid_state};
use crate::event::{Event, action_of};
use crate::gate::detached;
use crate::host::Clock;
use crate::lock::lock;
use crate::of_process::OfProcess;
use crate::wakeup::Bell;
use beluga_engine::{
    Command, EAR_READERS, InterruptionPolicy, MouthError, MouthWriter, OUT_READERS, Packet,
    PacketReader, Ready, SessionHandles, Shared, SoundRing, ear_samples,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rtrb::{Consumer, Producer};
use std::sync::{Arc, Mutex, MutexGuard};

/// Who is to look again, and which of them.
type Again = (&'static str, usize);
/// Payload, sequence number, timestamp, marker.
type ShownPacket<'py> = (Bound<'py, PyBytes>, u16, u32, bool);

/// See the stub.
///
/// Each lock is held by Python's threads alone: the shard never waits for one.
#[pyclass(frozen, module = "beluga_voice._core")]
pub(crate) struct Call(OfProcess<Handles>);

struct Handles {
    shared: Arc<Shared>,
    mouth: Mutex<MouthWriter>,
    events: Mutex<Consumer<beluga_engine::Event>>,
    commands: Mutex<Producer<Command>>,
    input: Mutex<InputWriter>,
    packets: Option<Mutex<PacketReader>>,
    /// What its doors are called in the room that has them.
    doors_in_room: Option<(u32, u32)>,
    clock: Clock,
}

impl Call {
    pub(crate) fn new(
        handles: SessionHandles,
        input: InputWriter,
        packets: Option<PacketReader>,
        doors_in_room: Option<(u32, u32)>,
        clock: Clock,
    ) -> Self {
        Self(OfProcess::new(Handles {
            shared: handles.shared,
            mouth: Mutex::new(handles.mouth),
            events: Mutex::new(handles.events),
            commands: Mutex::new(handles.commands),
            input: Mutex::new(input),
            packets: packets.map(Mutex::new),
            doors_in_room,
            clock,
        }))
    }
}

impl Handles {
    fn packets(&self) -> PyResult<MutexGuard<'_, PacketReader>> {
        let none = || invalid_state("this call's output is PCM, or a room has it");
        self.packets.as_ref().map(lock).ok_or_else(none)
    }

    fn send(&self, command: Command) -> PyResult<()> {
        if lock(&self.commands).push(command).is_err() && !self.shared.is_closed() {
            self.shared.counters.commands_refused.add(1);
            return Err(invalid_state("too many commands wait for the engine"));
        }
        Ok(())
    }
}

impl Drop for Call {
    /// Nobody holds the call any more, so nobody could end it: its loop was closed, or its session forgotten.
    fn drop(&mut self) {
        if let Ok(call) = self.0.get() {
            // A full queue of commands is taken within a tick; the call is then not worth waiting for it.
            let _ = lock(&call.commands).push(Command::Close);
        }
    }
}

#[pymethods]
impl Call {
    fn drain(&self) -> PyResult<(Vec<Event>, Vec<Again>)> {
        let call = self.0.get()?;
        let mut queue = lock(&call.events);
        let events = std::iter::from_fn(|| queue.pop().ok())
            .map(Event::from)
            .collect();
        let ready = call.shared.take_ready().map(|ready| match ready {
            Ready::Mouth => ("mouth", 0),
            Ready::Input => ("input", 0),
            Ready::Ear(reader) => ("ear", reader),
            Ready::Out(reader) => ("out", reader),
            Ready::Packets => ("packets", 0),
        });
        Ok((events, ready.collect()))
    }

    #[getter]
    fn doors_in_room(&self) -> PyResult<Option<(u32, u32)>> {
        Ok(self.0.get()?.doors_in_room)
    }

    #[getter]
    fn closed(&self) -> PyResult<bool> {
        Ok(self.0.get()?.shared.is_closed())
    }

    fn close(&self) -> PyResult<()> {
        self.0.get()?.send(Command::Close)
    }

    fn drop_utterance(&self, utterance: u32) -> PyResult<()> {
        let call = self.0.get()?;
        let newest = lock(&call.mouth).newest();
        if !(1..=newest).contains(&utterance) {
            let message = format!("utterance {utterance} was never begun: {newest} were");
            return Err(invalid_state(message));
        }
        call.send(Command::Drop(utterance))
    }

    fn resume(&self) -> PyResult<()> {
        self.0.get()?.send(Command::Resume)
    }

    fn reply_done(&self, through: u32) -> PyResult<()> {
        self.0.get()?.send(Command::ReplyDone(through))
    }

    #[pyo3(signature = (*, allow_interruptions, min_interruption_ms, interruption_action))]
    fn begin_utterance(
        &self,
        allow_interruptions: bool,
        min_interruption_ms: u32,
        interruption_action: &str,
    ) -> PyResult<u32> {
        let action = action_of(interruption_action).ok_or_else(|| {
            let allowed = "'pause', 'duck' or 'await_words'";
            let message =
                format!("interruption_action is '{interruption_action}', allowed is {allowed}");
            invalid_config("interruption_action", message)
        })?;
        let policy = InterruptionPolicy {
            allow: allow_interruptions,
            min_speech: ear_samples(min_interruption_ms),
            action,
        };
        lock(&self.0.get()?.mouth)
            .begin(policy)
            .map_err(mouth_error)
    }

    fn write_mouth(&self, py: Python<'_>, pcm: Pcm, sample_rate: u32) -> PyResult<usize> {
        let call = self.0.get()?;
        detached(py, || lock(&call.mouth).write(&pcm.0, sample_rate))?.map_err(mouth_error)
    }

    fn want_mouth(&self, samples: usize) -> PyResult<bool> {
        let call = self.0.get()?;
        let mouth = lock(&call.mouth);
        Ok(mouth.gauge().want(mouth.room_for(samples)) || call.shared.is_closed())
    }

    fn mark(&self, mark: u32) -> PyResult<()> {
        lock(&self.0.get()?.mouth).mark(mark).map_err(mouth_error)
    }

    fn end_utterance(&self) -> PyResult<()> {
        lock(&self.0.get()?.mouth).end().map_err(mouth_error)
    }

    #[getter]
    fn ear_written(&self) -> PyResult<u64> {
        Ok(self.0.get()?.shared.ear.written())
    }

    fn read_ear<'py>(
        &self,
        py: Python<'py>,
        start: u64,
        max_samples: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, u64, u64)> {
        Ok(read(py, &self.0.get()?.shared.ear, start, max_samples))
    }

    fn want_ear(&self, reader: usize, position: u64) -> PyResult<bool> {
        let call = self.0.get()?;
        check_reader(reader, EAR_READERS)?;
        Ok(call.shared.ear_wait(reader).want(position) || call.shared.is_closed())
    }

    #[getter]
    fn output_hz(&self) -> PyResult<u32> {
        Ok(self.0.get()?.shared.out_hz)
    }

    #[getter]
    fn output_written(&self) -> PyResult<u64> {
        Ok(self.0.get()?.shared.out.written())
    }

    fn read_output<'py>(
        &self,
        py: Python<'py>,
        start: u64,
        max_samples: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, u64, u64)> {
        Ok(read(py, &self.0.get()?.shared.out, start, max_samples))
    }

    fn notify_output(&self, bell: &Bell) -> PyResult<()> {
        if self.0.get()?.shared.notify_output(&bell.bell) {
            return Ok(());
        }
        Err(invalid_state("another loop is woken by this call's output"))
    }

    fn want_output(&self, reader: usize, position: u64) -> PyResult<bool> {
        let call = self.0.get()?;
        check_reader(reader, OUT_READERS)?;
        Ok(call.shared.out_wait(reader).want(position) || call.shared.is_closed())
    }

    fn write_input(&self, py: Python<'_>, pcm: Pcm) -> PyResult<usize> {
        let call = self.0.get()?;
        detached(py, || match &mut *lock(&call.input) {
            InputWriter::Pcm(writer) => Ok(writer.write(call.clock.now_us(), &pcm.0)),
            InputWriter::Packets(_) | InputWriter::Room => Err(()),
        })?
        .map_err(|()| invalid_state("this call's input is packets"))
    }

    fn want_input(&self, samples: usize) -> PyResult<bool> {
        let call = self.0.get()?;
        match &*lock(&call.input) {
            InputWriter::Pcm(writer) => {
                Ok(writer.gauge().want(writer.room_for(samples)) || call.shared.is_closed())
            }
            InputWriter::Packets(_) | InputWriter::Room => Err(invalid_state(
                "this call's input is packets, which never wait",
            )),
        }
    }

    fn read_packet<'py>(&self, py: Python<'py>) -> PyResult<Option<ShownPacket<'py>>> {
        let call = self.0.get()?;
        let age_us = &call.shared.counters.frame_age_out_us;
        let packet = call.packets()?.pop(call.clock.now_us(), age_us);
        Ok(packet.map(|packet| {
            let payload = PyBytes::new(py, packet.payload());
            (payload, packet.sequence, packet.timestamp, packet.marker)
        }))
    }

    fn want_packet(&self) -> PyResult<bool> {
        let call = self.0.get()?;
        Ok(call.packets()?.want() || call.shared.is_closed())
    }

    #[pyo3(signature = (payload, *, sequence, timestamp, ssrc))]
    fn push_packet(
        &self,
        payload: &[u8],
        sequence: u16,
        timestamp: u32,
        ssrc: u32,
    ) -> PyResult<bool> {
        let call = self.0.get()?;
        match &mut *lock(&call.input) {
            InputWriter::Pcm(_) => Err(invalid_state("this call's input is PCM; write that")),
            InputWriter::Room => Err(invalid_state("this call's input comes from its room")),
            InputWriter::Packets(writer) => {
                let arrival_us = call.clock.now_us();
                let pushed = writer
                    .push(Packet {
                        arrival_us,
                        sequence,
                        timestamp,
                        ssrc,
                        payload,
                    })
                    .map_err(invalid_format)?;
                call.shared.counters.packets_refused.add(u64::from(!pushed));
                Ok(pushed)
            }
        }
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, value) in self.0.get()?.shared.counters.snapshot() {
            stats.set_item(name, value)?;
        }
        Ok(stats)
    }
}

fn read<'py>(
    py: Python<'py>,
    ring: &SoundRing,
    start: u64,
    max_samples: usize,
) -> (Bound<'py, PyBytes>, u64, u64) {
    let mut samples = vec![0; max_samples.min(ring.capacity())];
    let read = ring.read(start, &mut samples);
    (
        PyBytes::new(py, &to_bytes(&samples[..read.len])),
        read.start,
        read.lost,
    )
}

fn check_reader(reader: usize, readers: usize) -> PyResult<()> {
    if reader < readers {
        return Ok(());
    }
    Err(invalid_state(format!(
        "{readers} readers wait already, reader {reader} has no place"
    )))
}

fn mouth_error(mouth: MouthError) -> PyErr {
    match mouth {
        MouthError::NoUtterance | MouthError::Open(_) => invalid_state(mouth),
        MouthError::Full => error("buffer_full", mouth, ""),
        MouthError::Rate(rate) => invalid_config("sample_rate", rate),
    }
}
