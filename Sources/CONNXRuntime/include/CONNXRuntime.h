#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H
#endif
