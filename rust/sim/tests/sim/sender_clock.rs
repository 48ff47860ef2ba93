//! A minute of a sender whose crystal is off.

use beluga_sim::SenderClock;

#[test]
fn a_fast_sender_s_minute_is_shorter_than_ours() {
    let minute_us = |ppm| SenderClock::new(ppm).unwrap().our_us(60_000_000);
    assert_eq!(minute_us(0.0), 60_000_000);
    assert_eq!(minute_us(100.0), 59_994_001);
    assert_eq!(minute_us(-100.0), 60_006_001);
}

#[test]
fn a_clock_that_is_none_is_refused() {
    for ppm in [f64::NAN, 200_000.0, -200_000.0] {
        assert_eq!(SenderClock::new(ppm).unwrap_err().field, "drift_ppm");
    }
}
