//! The sound of the golden fixture, bit for bit what `data/make_silero_golden.py` makes: read that file beside this one.

const RATE_HZ: f64 = 16_000.0;
const SEGMENT_SAMPLES: usize = 25 * 512;
/// First and last frequency, Hz, of three resonances for each syllable.
const SYLLABLES: [[(f64, f64); 3]; 4] = [
    [(700.0, 350.0), (1220.0, 2100.0), (2600.0, 2900.0)],
    [(450.0, 500.0), (900.0, 1750.0), (2500.0, 2600.0)],
    [(320.0, 720.0), (800.0, 1250.0), (2300.0, 2550.0)],
    [(300.0, 480.0), (2200.0, 950.0), (2950.0, 2450.0)],
];
/// Width of each resonance, Hz.
const WIDTHS_HZ: [f64; 3] = [90.0, 120.0, 180.0];

/// Seven segments of 0.8 s, as 16-bit samples: faint noise, a chirp, two voices with a burst of noise between them, a voice in
/// noise, silence.
pub fn sound() -> Vec<i16> {
    let mut segments = [(); 7].map(|()| Vec::with_capacity(SEGMENT_SAMPLES));
    let mut noises = [1, 2, 3, 4, 5].map(Noise);
    for i in 0..SEGMENT_SAMPLES {
        let t = i as f64 / RATE_HZ;
        let [faint, behind_low, burst, behind_high, over] = noises.each_mut().map(Noise::next);
        let values = [
            0.001 * faint,
            0.3 * sine(100.0 * t + 4000.0 * t * t),
            voice(t, 110.0) + 0.002 * behind_low,
            on_and_off(t) * burst,
            voice(t, 190.0) + 0.01 * behind_high,
            voice(t, 130.0) + 0.3 * (on_and_off(t) * over),
            0.0,
        ];
        for (segment, value) in segments.iter_mut().zip(values) {
            segment.push((value * 32768.0 + 0.5).floor().clamp(-32768.0, 32767.0) as i16);
        }
    }
    segments.concat()
}

/// sin(2 pi turns) by its series on half a turn either way.
fn sine(turns: f64) -> f64 {
    let x = std::f64::consts::TAU * ((turns - turns.floor()) - 0.5);
    let square = x * x;
    let mut term = x;
    let mut total = x;
    for k in 1..11 {
        term = term * square / f64::from(-2 * k * (2 * k + 1));
        total += term;
    }
    -total
}

/// Uniform in [-1, 1): the upper 16 bits of a linear congruential generator.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 16) / 32768.0 - 1.0
    }
}

/// On for 0.1 s and off for 0.1 s.
fn on_and_off(t: f64) -> f64 {
    if 5.0 * t - (5.0 * t).floor() < 0.5 {
        0.25
    } else {
        0.0
    }
}

/// Four syllables of 0.2 s: harmonics of a gliding pitch, weighted by three resonances that glide.
fn voice(t: f64, low_hz: f64) -> f64 {
    let place = 5.0 * t - (5.0 * t).floor();
    let glides = SYLLABLES[((5.0 * t) as usize).min(3)];
    let pitch_turns = low_hz * t + 25.0 * t * t - 20.0 * t * t * t + 0.08 * sine(5.5 * t);
    let pitch_hz = low_hz + 50.0 * t - 60.0 * t * t;
    let mut total = 0.0;
    for k in 1..31 {
        let harmonic = f64::from(k);
        let mut weight = 0.0;
        for (resonance, ((first, last), width_hz)) in glides.into_iter().zip(WIDTHS_HZ).enumerate()
        {
            let off = (harmonic * pitch_hz - (first + (last - first) * place)) / width_hz;
            weight += 1.0 / (1.0 + off * off) / (resonance + 1) as f64;
        }
        total += weight * sine(harmonic * pitch_turns);
    }
    0.2 * (4.0 * place * (1.0 - place)) * total
}
