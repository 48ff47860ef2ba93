//! Beginning and end of wires, peers and threads.
