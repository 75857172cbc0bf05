/* linejudge model check|bench DIR: a bundle by itself, without DPDK. */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

/* argv[0] is "model". The value main() returns. */
int model_command(int argc, char **argv);

#endif
