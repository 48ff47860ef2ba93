//! A peer as its users meet it: offers, sound and data through a network, one tick after another.

mod support;

mod connecting;
mod data;
mod hostile;
mod numbering;
mod offers;
mod repeats;
mod sound;
