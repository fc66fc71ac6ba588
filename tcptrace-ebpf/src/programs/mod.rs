//! One file for each tracepoint.

mod receive_reset;
mod retransmit;
mod send_reset;
mod set_state;
