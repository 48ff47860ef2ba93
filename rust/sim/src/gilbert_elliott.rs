//! The state of a lossy channel.

use crate::conditions::GilbertElliott;
use crate::random::Random;

#[derive(Debug)]
pub(crate) struct LossyChannel {
    chain: GilbertElliott,
    random: Random,
    bad: bool,
}

impl LossyChannel {
    pub(crate) fn new(chain: GilbertElliott, random: Random) -> Self {
        Self {
            chain,
            random,
            bad: false,
        }
    }

    /// Whether the next packet is lost.
    pub(crate) fn loses(&mut self) -> bool {
        let GilbertElliott {
            good_to_bad,
            bad_to_good,
            loss_in_good,
            loss_in_bad,
        } = self.chain;
        let leaving = if self.bad { bad_to_good } else { good_to_bad };
        self.bad ^= self.random.chance(leaving);
        let loss = if self.bad { loss_in_bad } else { loss_in_good };
        self.random.chance(loss)
    }
}
