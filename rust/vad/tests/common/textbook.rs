//! The network as its description reads, in f64, with no thought of speed: what the kernels are measured against.

use super::random_model::Tensor;

/// The model and one stream's state.
pub struct Textbook<'tensors> {
    tensors: &'tensors [Tensor],
    pub context: Vec<f64>,
    pub hidden: Vec<f64>,
    pub cell: Vec<f64>,
}

/// A signal over time: (channel, position).
type Channels = Vec<Vec<f64>>;

impl<'tensors> Textbook<'tensors> {
    pub fn new(tensors: &'tensors [Tensor]) -> Self {
        Self {
            tensors,
            context: vec![0.0; 64],
            hidden: vec![0.0; 128],
            cell: vec![0.0; 128],
        }
    }

    /// Probability of the stream's next window.
    pub fn push(&mut self, window: &[f32]) -> f64 {
        let mut samples = self.context.clone();
        samples.extend(window.iter().map(|sample| f64::from(*sample)));
        self.context = samples[samples.len() - 64..].to_vec();
        let last = samples.len() - 1;
        samples.extend((1..=64).map(|i| samples[last - i]).collect::<Vec<_>>());

        let parts = self.conv("stft_conv", vec![samples], 128, 0);
        let (real, imaginary) = parts.split_at(129);
        let mut signal: Channels = real
            .iter()
            .zip(imaginary)
            .map(|(re, im)| re.iter().zip(im).map(|(re, im)| re.hypot(*im)).collect())
            .collect();
        for (name, stride) in [("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)] {
            signal = self.conv(name, signal, stride, 1);
            signal
                .iter_mut()
                .flatten()
                .for_each(|value| *value = value.max(0.0));
        }
        assert!(signal.iter().all(|channel| channel.len() == 1));
        self.lstm(&signal.concat());

        let weight = self.values("final_conv.weight");
        let head = self
            .hidden
            .iter()
            .zip(weight)
            .map(|(h, w)| h.max(0.0) * f64::from(*w));
        sigmoid(head.sum::<f64>() + f64::from(self.values("final_conv.bias")[0]))
    }

    fn conv(&self, name: &str, mut signal: Channels, stride: usize, padding: usize) -> Channels {
        let weight = self.tensor(&format!("{name}.weight"));
        let [out, within, taps] = weight.shape[..] else {
            panic!("a convolution's weight has three dimensions")
        };
        for channel in &mut signal {
            let zeros = vec![0.0; padding];
            *channel = [zeros.as_slice(), channel, &zeros].concat();
        }
        let positions = (signal[0].len() - taps) / stride + 1;
        let bias = |channel: usize| match name {
            "stft_conv" => 0.0,
            _ => f64::from(self.values(&format!("{name}.bias"))[channel]),
        };
        let at = |out: usize, position: usize| {
            let mut sum = bias(out);
            for (channel, values) in signal.iter().enumerate() {
                for tap in 0..taps {
                    let w = weight.values[(out * within + channel) * taps + tap];
                    sum += f64::from(w) * values[position * stride + tap];
                }
            }
            sum
        };
        (0..out)
            .map(|out| (0..positions).map(|position| at(out, position)).collect())
            .collect()
    }

    fn lstm(&mut self, x: &[f64]) {
        let gate = |index: usize| {
            let part = |weight: &str, bias: &str, input: &[f64]| {
                let row = &self.values(weight)[index * 128..][..128];
                let sum: f64 = row.iter().zip(input).map(|(w, x)| f64::from(*w) * x).sum();
                sum + f64::from(self.values(bias)[index])
            };
            part("lstm_cell.weight_ih", "lstm_cell.bias_ih", x)
                + part("lstm_cell.weight_hh", "lstm_cell.bias_hh", &self.hidden)
        };
        let gates: Vec<f64> = (0..512).map(gate).collect();
        for i in 0..128 {
            let (input, forget) = (sigmoid(gates[i]), sigmoid(gates[128 + i]));
            let (candidate, output) = (gates[256 + i].tanh(), sigmoid(gates[384 + i]));
            self.cell[i] = forget * self.cell[i] + input * candidate;
            self.hidden[i] = output * self.cell[i].tanh();
        }
    }

    fn tensor(&self, name: &str) -> &'tensors Tensor {
        let found = self.tensors.iter().find(|tensor| tensor.name == name);
        found.unwrap_or_else(|| panic!("no tensor {name}"))
    }

    fn values(&self, name: &str) -> &'tensors [f32] {
        &self.tensor(name).values
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
