//! The forward pass: the layers one after the other, each over all lanes, so that its weights are read once for all of them.

use crate::architecture::{BINS, CHANNELS, FRAMES, GATES, HIDDEN, PADDED_SAMPLES, POSITIONS};
use crate::arithmetic::Arithmetic;
use crate::lstm::CELL_INPUTS;
use crate::silero::Silero;

/// What goes in, what comes out and what lies between, lane after lane.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// In: (lane, [`PADDED_SAMPLES`]).
    pub(crate) samples: Vec<f32>,
    /// Input of the LSTM and, after it, its hidden state, in and out: (lane, [`CELL_INPUTS`]).
    pub(crate) x_and_hidden: Vec<f32>,
    /// Cell state, in and out: (lane, [`HIDDEN`]).
    pub(crate) cell: Vec<f32>,
    /// Out: probability of speech.
    pub(crate) probability: Vec<f32>,
    /// Outputs of the spectrum and of the first three convolutions: (lane, position, channel).
    between: [Vec<f32>; 4],
    gates: Vec<f32>,
}

impl Lanes {
    pub(crate) fn new(lanes: usize) -> Self {
        let room = |for_each_lane: usize| vec![0.0; lanes * for_each_lane];
        Self {
            samples: room(PADDED_SAMPLES),
            x_and_hidden: room(CELL_INPUTS),
            cell: room(HIDDEN),
            probability: room(1),
            between: [
                room(FRAMES * BINS),
                room(POSITIONS[1] * CHANNELS[0]),
                room(POSITIONS[2] * CHANNELS[1]),
                room(POSITIONS[3] * CHANNELS[2]),
            ],
            gates: room(GATES),
        }
    }
}

/// Runs the first `count` lanes.
///
/// Always inlined, as all that it calls: each variant of [`dispatch`](crate::dispatch) compiles it for its own instructions.
#[inline(always)]
pub(crate) fn forward<A: Arithmetic>(model: &Silero, lanes: &mut Lanes, count: usize) {
    let [spectrum, first, second, third] = &mut lanes.between;
    let [conv1, conv2, conv3, conv4] = &model.convs;
    model.stft.run(count, &lanes.samples, spectrum);
    conv1.run::<A>(count, spectrum, first, POSITIONS[1] * CHANNELS[0]);
    conv2.run::<A>(count, first, second, POSITIONS[2] * CHANNELS[1]);
    conv3.run::<A>(count, second, third, POSITIONS[3] * CHANNELS[2]);
    conv4.run::<A>(count, third, &mut lanes.x_and_hidden, CELL_INPUTS);
    model.lstm.run::<A>(
        count,
        &mut lanes.x_and_hidden,
        &mut lanes.cell,
        &mut lanes.gates,
    );
    let states = lanes.x_and_hidden.as_chunks::<CELL_INPUTS>().0;
    for (probability, state) in lanes.probability.iter_mut().zip(states).take(count) {
        *probability = model.head.run(&state[HIDDEN..]);
    }
}
