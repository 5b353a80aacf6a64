#pragma once

namespace tandem {

// Keeps gRPC's callback threads for the rest of the process. gRPC 1.51 stops
// them with the last channel or server that used them; where that goes on one
// of these very threads (a reaction that held the last reference), the thread
// waits for itself and the process aborts. Whoever makes a channel or a server
// calls this first. Thread-safe, cheap after the first call.
void KeepCallbackThreads();

}  // namespace tandem
