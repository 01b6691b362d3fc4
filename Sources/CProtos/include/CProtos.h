#ifndef CPROTOS_H
#define CPROTOS_H
#endif
