// A plugin for qemu-user: counts the instructions that the process executes, in the first eight bytes of a shared file.
//
// It counts whole blocks when they begin, so that it costs an addition for each.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// What it needs of qemu-plugin.h, which Debian does not install.
struct qemu_plugin_tb;
typedef uint64_t qemu_plugin_id_t;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);

int qemu_plugin_version = 1;

static uint64_t *counter;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(
        block, QEMU_PLUGIN_INLINE_ADD_U64, counter, qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    static const char option[] = "counter=";
    for (int index = 0; index < argc; index++) {
        if (strncmp(argv[index], option, sizeof option - 1) != 0) continue;
        int file = open(argv[index] + sizeof option - 1, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (file < 0 || ftruncate(file, sizeof *counter) != 0) return 1;
        void *memory = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (memory == MAP_FAILED) return 1;
        counter = memory;
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        return 0;
    }
    return 1;
}
