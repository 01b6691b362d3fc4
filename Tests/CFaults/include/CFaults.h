// System calls that change files, counted and made to fail. They stand in front of the C library's in the program that
// links this: for its own code, and for the shared libraries that it loads, such as SQLite.
//
// Each write, sync, rename, link, removal and the like is a step; writes to pipes and terminals are not. An empty file
// more or less is no step: a kill before the first write to it shows the same state.
#ifndef CFAULTS_H
#define CFAULTS_H

/// Has the process end itself by SIGKILL at a step, counted from 1 from now on. The step is not done; a write is done
/// by half. 0: never.
void faults_kill_at(long step);

/// Has the disk be full from a step on, counted from 1 from now on: writes fail with ENOSPC, the first of them after
/// half its bytes. 0: never.
void faults_full_from(long step);

/// The steps since the last of the calls above.
long faults_steps(void);

#endif
