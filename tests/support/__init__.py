"""What behaviour tests are made of: a language of tones, components that speak and understand it, a call to try."""
